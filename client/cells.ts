/** The cell commands of the SDK: one key, one round trip, answers as values. */
import { MayflyError } from "../src/errors.ts";
import type { CellKind } from "../src/wire/cell.ts";
import { keyBytesMax } from "../src/wire/ref.ts";
import { referenceBytesMinDefault } from "../src/wire/request-writer.ts";
import type { RespValue } from "../src/wire/resp-value.ts";
import type { ClientContext } from "./context.ts";
import { askRow, type RowRequest } from "./row-requests.ts";
import type { Argument } from "./transport/connection.ts";
import { type Deadline, leftMs } from "./transport/deadline.ts";

/** A node answers a wait at the latest after so long; the client then asks again. */
export const waitMsMaxPerRequest = 30_000;

export interface CellValue {
  readonly version: string;
  readonly kind: "bytes" | "ref";
  readonly value: Uint8Array;
  /** Milliseconds until it expires; undefined when it does not. */
  readonly ttlLeftMs: number | undefined;
}

/** When a write may take place: always, only on an absent key, or only over one version. */
export type Condition = { readonly ifAbsent: true } | { readonly ifVersion: string } | undefined;

export interface CellWrite {
  readonly key: Uint8Array;
  readonly kind: "bytes" | "ref";
  readonly value: Uint8Array;
  readonly condition: Condition;
  readonly ttlMs: number;
}

export function keyBytes(key: string | Uint8Array): Uint8Array {
  if (typeof key !== "string" && !(key instanceof Uint8Array)) {
    throw new MayflyError("INVALID_ARGUMENT", `A key is a string or a Uint8Array, not ${typeof key}.`);
  }
  // A copy: refs keep it, and the caller's memory may change.
  const bytes = typeof key === "string" ? Buffer.from(key, "utf8") : Uint8Array.from(key);
  if (bytes.length >= 1 && bytes.length <= keyBytesMax) return bytes;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `A key has 1 to ${keyBytesMax} bytes; this one has ${bytes.length}.`,
  );
}

/**
 * The cell at `key`, waiting on the server up to `waitMs` for it to appear; undefined when it is not there.
 * @throws MayflyError EXPIRED, JOB_ENDED, UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED
 */
export async function readCell(
  context: ClientContext,
  key: Uint8Array,
  deadline: Deadline,
  waitMs = 0,
): Promise<CellValue | undefined> {
  if (waitMs > 0) return awaitCell(context, key, deadline, waitMs);
  const argsOf = (epoch: string): readonly Argument[] => [epoch, 0, key];
  return parseCell(await askRow(context, { key, command: "MF.CELL.GET", argsOf }, deadline));
}

async function awaitCell(
  context: ClientContext,
  key: Uint8Array,
  deadline: Deadline,
  waitMs: number,
): Promise<CellValue | undefined> {
  const waitUntilMs = context.clock.now() + waitMs;
  const argsOf = (epoch: string): readonly Argument[] => {
    // Leaves the answer time to travel, so that "not there" arrives before the deadline does.
    const roomMs = Math.max(0, leftMs(deadline) - 100);
    const waitNowMs = Math.min(waitUntilMs - context.clock.now(), waitMsMaxPerRequest, roomMs);
    return [epoch, Math.max(0, Math.ceil(waitNowMs)), key];
  };
  for (;;) {
    const request: RowRequest = { key, command: "MF.CELL.GET", argsOf };
    const cell = parseCell(await askRow(context, request, deadline));
    const overMs = Math.min(waitUntilMs, deadline.atMs - 110);
    if (cell !== undefined || context.clock.now() >= overMs) return cell;
  }
}

function parseCell(reply: RespValue): CellValue | undefined {
  if (reply === null) return undefined;
  if (Array.isArray(reply)) {
    const [version, kind, ttl, value] = reply;
    if (typeof version === "string" && typeof ttl === "number" && value instanceof Uint8Array) {
      // A counter is read as its text.
      const holds = kind === "ref" ? kind : "bytes";
      return { version, kind: holds, value, ttlLeftMs: ttl < 0 ? undefined : ttl };
    }
  }
  throw new MayflyError("PROTOCOL", "A node answered MF.CELL.GET with something that is no cell.");
}

/** Writes the cell once, however often the request has to be sent. Returns the new version. */
export async function writeCell(
  context: ClientContext,
  write: CellWrite,
  deadline: Deadline,
): Promise<string> {
  const { key, kind, ttlMs } = write;
  // A request that is given up may still be on its way into the socket when the caller's memory changes. What is
  // smaller than this is copied on its way there anyhow.
  const value = write.value.length < referenceBytesMinDefault ? write.value : Buffer.from(write.value);
  const args = [conditionText(write.condition), ttlMs, kind satisfies CellKind, key, value];
  const version = await mutate(context, "MF.CELL.SET", key, args, deadline);
  if (typeof version === "string") return version;
  throw new MayflyError("PROTOCOL", "A node answered MF.CELL.SET with something that is no version.");
}

/** True when there was something to delete. */
export async function deleteCell(
  context: ClientContext,
  key: Uint8Array,
  condition: Condition,
  deadline: Deadline,
): Promise<boolean> {
  return (await mutate(context, "MF.CELL.DEL", key, [conditionText(condition), key], deadline)) === 1;
}

/** Tells the key's primary that an object will never be committed; it then frees the shards written so far. */
export async function abortObject(
  context: ClientContext,
  key: Uint8Array,
  ref: Uint8Array,
  deadline: Deadline,
): Promise<void> {
  await mutate(context, "MF.CELL.ABORT", key, [key, ref], deadline);
}

/** Sends a mutation until it is answered; however often that is, it is applied once. `args` go behind the session's; a function is asked for each attempt. */
export function mutate(
  context: ClientContext,
  command: string,
  key: Uint8Array,
  args: readonly Argument[] | (() => readonly Argument[]),
  deadline: Deadline,
): Promise<RespValue> {
  const { session } = context;
  const sequence = session.begin();
  const argsOf = (epoch: string): readonly Argument[] => [
    epoch,
    session.id,
    sequence,
    session.floor,
    ...(typeof args === "function" ? args() : args),
  ];
  return askRow(context, { key, command, argsOf }, deadline).then(
    (reply) => {
      session.end(sequence);
      return reply;
    },
    (error: unknown) => {
      session.end(sequence);
      throw error;
    },
  );
}

export function conditionText(condition: Condition): string {
  if (condition === undefined) return "";
  return "ifAbsent" in condition ? "absent" : condition.ifVersion;
}
