/**
 * Names of durable objects in the object store: `FLEET/durable/job-N/KEY@MARK`.
 *
 * KEY is the key as text. What a name cannot hold is percent-encoded: control characters, bytes that are no UTF-8, segments `.`
 * and `..`, slashes at an end or behind one another; and `%`, `@` and `\`, so that each key has one name and each name one key.
 *
 * MARK is 16 hexadecimal digits: the generation of the row whose primary wrote the object, and its count of such writes. Primaries
 * write a key's durable objects one after the other, and generations only grow: of one key the last name in the order of bytes is
 * the newest, whatever reached the store late.
 */
import { MayflyError } from "../errors.ts";
import { type JobNumber, jobNumber } from "../ids.ts";
import { storedNameBytesMax } from "./ref.ts";
import { durablePrefix } from "./stored-names.ts";

const word = 2 ** 32;
const durable = /^([0-9a-f]{16})\/durable\/job-([1-9][0-9]{0,9})\/(.+)@([0-9a-f]{16})$/su;
const ofSomeFleet = /^[0-9a-f]{16}(?:\/|$)/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced.
const unfit = /[\u0000-\u001f\u007f%@\\]/g;

export interface DurableName {
  readonly fleet: string;
  readonly job: JobNumber;
  readonly key: Uint8Array;
  readonly mark: string;
}

/**
 * @param generation of the row, below 2^32
 * @param count of the primary that writes, below 2^32
 */
export function durableMark(generation: number, count: number): string {
  return hex(generation) + hex(count);
}

function hex(number: number): string {
  if (!(number >= 0 && number < word)) throw new RangeError(`${number} in a mark`);
  return number.toString(16).padStart(8, "0");
}

/** @throws MayflyError TOO_LARGE for a key that is too long to be a name */
export function durableName(fleet: string, job: JobNumber, key: Uint8Array, mark: string): string {
  const name = `${durableBegin(fleet, job, key)}${mark}`;
  const bytes = Buffer.byteLength(name);
  if (bytes <= storedNameBytesMax) return name;
  throw new MayflyError(
    "TOO_LARGE",
    `What is durable has a name of up to ${storedNameBytesMax} bytes in the object store; with this key it would have ${bytes}. Give a shorter key.`,
  );
}

/** Begins the names of all that the key has in the store, and of nothing else. */
export function durableBegin(fleet: string, job: JobNumber, key: Uint8Array): string {
  return `${durablePrefix(fleet, job)}${keyText(key)}@`;
}

/** Undefined for any other name. */
export function parseDurableName(name: string): DurableName | undefined {
  const [, fleet, job, text, mark] = durable.exec(name) ?? [];
  if (fleet === undefined || job === undefined || text === undefined || mark === undefined) return undefined;
  const key = keyOf(text);
  if (Number(job) >= word || keyText(key) !== text) return undefined;
  return { fleet, job: jobNumber(Number(job)), key, mark };
}

/**
 * Whether a job may name and read what has this name in its fleet's store, without having written it: whatever lies outside of what
 * fleets keep there for themselves, and what is durable of any job. What is durable of the job itself its keys have already.
 */
export function isImportable(name: string, fleet: string, job: JobNumber): boolean {
  if (name.split("/").some((segment) => segment === "" || segment === "." || segment === "..")) return false;
  if (!ofSomeFleet.test(name)) return true;
  return name.startsWith("/durable/", name.indexOf("/")) && !name.startsWith(durablePrefix(fleet, job));
}

function keyText(key: Uint8Array): string {
  const bytes = Buffer.from(key);
  const utf8 = bytes.toString("utf8");
  const isText = Buffer.from(utf8).equals(bytes);
  const segments = isText ? utf8.replaceAll(unfit, percent) : Array.from(bytes, byteText).join("");
  let text = "";
  let before: string | undefined;
  for (const segment of segments.split("/")) {
    if (before !== undefined) text += before === "" || segment === "" ? "%2F" : "/";
    text += /^\.\.?$/.test(segment) ? segment.replaceAll(".", "%2E") : segment;
    before = segment;
  }
  return text;
}

function byteText(byte: number): string {
  const char = String.fromCharCode(byte);
  return byte >= 0x80 ? percent(char) : char.replaceAll(unfit, percent);
}

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function keyOf(text: string): Uint8Array {
  const parts = text.split(/(%[0-9A-F]{2})/);
  return Buffer.concat(
    parts.map((part, at) => (at % 2 === 0 ? Buffer.from(part) : Buffer.from(part.slice(1), "hex"))),
  );
}
