/** One command being carried out: its arguments, who sent it, and the way to answer. */
import type { TokenClaims } from "../../src/auth/token.ts";
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, jobNumber, type NodeId, nodeId } from "../../src/ids.ts";
import type { CommandBody } from "../../src/wire/command-decoder.ts";
import type { RespWriter } from "../../src/wire/resp-writer.ts";
import type { Block } from "../store/segment.ts";

/** Writes one value. */
export type WriteReply = (writer: RespWriter) => void;

/** What a handler sees of the connection. */
export interface CallConnection {
  readonly id: number;
  readonly writer: RespWriter;
  claims: TokenClaims | undefined;
  clientName: string;
  /** Keeps the block where it is until what is being written has left the socket. */
  pinUntilSent(block: Block): void;
  /** Closes once everything written so far has been sent. */
  endAfterReply(): void;
}

export interface Call {
  /** Name first. Valid only until the handler returns or first awaits: copy what is needed later. */
  readonly args: readonly Buffer[];
  readonly bodies: readonly CommandBody[];
  readonly connection: CallConnection;
  reply(write: WriteReply): void;
}

export type Scope = "none" | "any" | "job" | "fleet";

export interface Command {
  readonly name: string;
  /** With the name; `max` undefined for any number. */
  readonly args: { readonly min: number; readonly max?: number };
  /** Who may call it: anybody, anybody authenticated, a job's function, or another node. */
  readonly scope: Scope;
  /** Mayfly's own commands have a tag as first argument, and their replies are pushes that carry it. */
  readonly tagged: boolean;
  readonly handle: (call: Call) => void | Promise<void>;
}

/** The job that the connection belongs to. */
export function jobOf(call: Call): JobNumber {
  const { claims } = call.connection;
  if (claims?.scope === "job") return jobNumber(claims.job);
  throw new MayflyError("FORBIDDEN", "This command needs the token of a job.");
}

export function senderOf(call: Call): NodeId {
  const { claims } = call.connection;
  if (claims?.scope === "fleet") return nodeId(claims.node);
  throw new MayflyError("FORBIDDEN", "This command is for cache nodes only.");
}

/** An argument that is a whole number of 0 .. max. @throws MayflyError INVALID_ARGUMENT */
export function numberArg(call: Call, at: number, max: number, what: string): number {
  const bytes = call.args[at]!;
  let value = 0;
  for (let i = 0; i < bytes.length && i < 17; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) value = Number.NaN;
    value = value * 10 + digit;
  }
  if (bytes.length > 0 && bytes.length < 17 && value <= max) return value;
  const shown = JSON.stringify(bytes.toString("latin1", 0, 40));
  throw new MayflyError("INVALID_ARGUMENT", `${what} is ${shown}; it is a whole number from 0 to ${max}.`);
}

export function textArg(call: Call, at: number): string {
  return call.args[at]!.toString("latin1");
}
