/**
 * A ticket is what a function is started with. Its text form fits an environment variable: "mf1." and the base64url of
 *
 *     0  job            varint
 *        d, p           u8, u8
 *        controllerUrl  u8 length, UTF-8
 *        seeds          u8 how many, at most 16; for each:
 *                       u8   0 and 4 bytes of IPv4, or the length of a host name and its UTF-8
 *                       u16  port, little-endian
 *        token          u8 length of the text up to and with its dot, that text,
 *                       then varint length of the base64url-decoded rest, those bytes
 *
 * A token is carried decoded because base64 inside base64 would cost a third more.
 */
import { isIPv4 } from "node:net";
import { MayflyError } from "../errors.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "./byte-cursor.ts";
import { checkCode, codeFault } from "./code.ts";
import type { Address, Ticket } from "./types.ts";

const prefix = "mf1.";
/** More seeds than a function needs; the rest of the fleet is in the map. */
export const ticketSeedsMax = 16;
const tokenBytesMax = 1024;
/** Longer texts are not looked at: an environment variable with a ticket has some hundred characters. */
const ticketCharsMax = 16 * 1024;

/** @throws RangeError for what no ticket can carry: too many seeds, names over 255 bytes, a token without its dot. */
export function encodeTicket(ticket: Ticket): string {
  if (ticket.seeds.length > ticketSeedsMax)
    throw new RangeError(`a ticket has at most ${ticketSeedsMax} seeds`);
  checkCode(ticket.code);
  const out = new ByteWriter()
    .varint(ticket.job)
    .u8(ticket.code.d)
    .u8(ticket.code.p)
    .text(ticket.controllerUrl);
  out.u8(ticket.seeds.length);
  for (const seed of ticket.seeds) writeSeed(out, seed);
  const dot = ticket.token.indexOf(".") + 1;
  const rest = Buffer.from(ticket.token.slice(dot), "base64url");
  if (dot === 0 || rest.length > tokenBytesMax || rest.toString("base64url") !== ticket.token.slice(dot)) {
    throw new RangeError("a token is a prefix with a dot and base64url");
  }
  out.text(ticket.token.slice(0, dot)).varint(rest.length).bytes(rest);
  return prefix + Buffer.from(out.finish()).toString("base64url");
}

function writeSeed(out: ByteWriter, { host, port }: Address): void {
  if (host === "") throw new RangeError("a seed has no host");
  if (isIPv4(host)) out.u8(0).bytes(Uint8Array.from(host.split("."), Number));
  else out.text(host);
  out.u16(port);
}

/** @throws MayflyError INVALID_ARGUMENT, saying where to get a ticket. The text, which holds a secret, is not repeated. */
export function decodeTicket(text: string): Ticket {
  const trimmed = text.trim();
  if (!trimmed.startsWith(prefix)) throw notATicket(`it does not start with ${prefix}`);
  if (trimmed.length > ticketCharsMax) throw notATicket(`it has ${trimmed.length} characters`);
  const body = trimmed.slice(prefix.length);
  if (!/^[A-Za-z0-9_-]*$/.test(body)) throw notATicket("it holds characters that no ticket has");
  try {
    return readTicket(new ByteReader(Buffer.from(body, "base64url")));
  } catch (thrown) {
    if (thrown instanceof MalformedBytes) throw notATicket(`it was cut short or changed: ${thrown.message}`);
    throw thrown;
  }
}

function readTicket(from: ByteReader): Ticket {
  const job = from.varint(2 ** 32 - 1, "the job");
  if (job === 0) throw new MalformedBytes("job 0");
  const code = { d: from.u8("the code"), p: from.u8("the code") };
  const fault = codeFault(code);
  if (fault !== undefined) throw new MalformedBytes(`no code ${code.d}+${code.p}: ${fault}`);
  const controllerUrl = from.text("the controller's URL");
  if (!URL.canParse(controllerUrl)) throw new MalformedBytes("the controller's URL is none");
  const seedCount = from.u8("the number of seeds");
  if (seedCount > ticketSeedsMax) throw new MalformedBytes(`${seedCount} seeds, above ${ticketSeedsMax}`);
  const seeds = Array.from({ length: seedCount }, () => readSeed(from));
  const tokenPrefix = from.text("the token");
  const tokenBytes = from.take(from.varint(tokenBytesMax, "the token's length"), "the token");
  from.end();
  const token = tokenPrefix + Buffer.from(tokenBytes).toString("base64url");
  return { seeds, controllerUrl, job, code, token };
}

function readSeed(from: ByteReader): Address {
  const length = from.u8("a seed");
  const bytes = from.take(length === 0 ? 4 : length, "a seed");
  const host = length === 0 ? bytes.join(".") : Buffer.from(bytes).toString("utf8");
  return { host, port: from.u16("a seed's port") };
}

function notATicket(why: string): MayflyError {
  return new MayflyError(
    "INVALID_ARGUMENT",
    `this text is not a ticket (${why}); get one with: mayfly job create`,
  );
}
