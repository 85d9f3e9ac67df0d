/**
 * The text of a journal: JSON lines, each with a checksum over its own entry.
 *
 *     {"sum":"<first 16 hex digits of SHA-256>","entry":{"format":"mayfly-journal","version":1,"term":3,"state":{...}}}
 *     {"sum":"...","entry":{"change":{...}}}
 *     ...
 *
 * The first line is a whole state, each later one a change of it. A line without its line end was cut off by a crash
 * while it was written, so nobody was told that it counts: it is dropped. Any other damage is an error, because going
 * on without a change that counted would give numbers away twice.
 */
import { createHash } from "node:crypto";
import { MayflyError } from "../../errors.ts";
import { emptyFleet, type FleetState } from "../fleet-state.ts";
import { applyChange, type StateChange } from "./state-change.ts";
import { changeFromRecord, changeToRecord, stateToRecord } from "./state-record.ts";

const format = "mayfly-journal";
const version = 1;

export function snapshotLine(term: number, state: FleetState): string {
  return sealedLine({ format, version, term, state: stateToRecord(state) });
}

export function changeLine(change: StateChange): string {
  return sealedLine({ change: changeToRecord(change) });
}

/**
 * The state that a journal ends with.
 *
 * @param path for messages
 * @throws MayflyError DAMAGED, naming the line and what to do.
 */
export function readJournal(text: string, path: string): FleetState {
  const lines = text.split("\n");
  // What follows the last line end: empty, or torn.
  lines.pop();
  let state: FleetState | undefined;
  for (const [index, content] of lines.entries()) {
    try {
      const entry = openLine(content);
      state =
        state === undefined
          ? readSnapshot(entry)
          : applyChange(state, changeFromRecord(field(entry, "change")));
    } catch (thrown) {
      throw damaged(`line ${index + 1} of ${path}: ${MayflyError.from(thrown).message}`, thrown);
    }
  }
  if (state === undefined) throw damaged(`${path} has no whole line`);
  return state;
}

function readSnapshot(entry: unknown): FleetState {
  if (field(entry, "format") !== format) throw new Error("it is not the first line of a journal");
  const found = field(entry, "version");
  if (found !== version) throw new Error(`version ${String(found)}, and this release reads ${version}`);
  return readState(field(entry, "state"));
}

/** Of what `stateToRecord` gave. @throws MayflyError DAMAGED, PROTOCOL */
export function readState(record: unknown): FleetState {
  return applyChange(emptyFleet(0), changeFromRecord(record));
}

/** What `sealedLine` was given. @throws Error when it is another text */
export function openLine(content: string): unknown {
  const parsed: unknown = JSON.parse(content);
  const entry = field(parsed, "entry");
  if (field(parsed, "sum") !== sumOf(JSON.stringify(entry))) throw new Error("the checksum does not match");
  return entry;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) throw new Error("it is no JSON object");
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

/** A line with its checksum, and its line end. */
export function sealedLine(entry: unknown): string {
  const text = JSON.stringify(entry);
  return `{"sum":"${sumOf(text)}","entry":${text}}\n`;
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function damaged(what: string, cause?: unknown): MayflyError {
  return new MayflyError(
    "DAMAGED",
    `the controller's journal is damaged: ${what}. Restore the state directory from a backup, or begin with a new ` +
      "fleet by choosing an empty one (mayfly controller --state <directory>)",
    { cause },
  );
}
