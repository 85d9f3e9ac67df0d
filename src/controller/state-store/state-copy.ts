/** The copy of a fleet's state in its object store: one line as in a journal, with the fleet's private key. */
import { MayflyError } from "../../errors.ts";
import type { FleetState } from "../fleet-state.ts";
import { openLine, readState, sealedLine } from "./journal-lines.ts";
import { stateToRecord } from "./state-record.ts";

export interface StateCopy {
  readonly term: number;
  /** As `StateStore.privateKey` gives it. */
  readonly privateKey: string;
  readonly state: FleetState;
}

const format = "mayfly-state";
const version = 1;

export function writeStateCopy({ term, privateKey, state }: StateCopy): Uint8Array {
  return Buffer.from(sealedLine({ format, version, term, privateKey, state: stateToRecord(state) }));
}

/** @param name for messages. @throws MayflyError DAMAGED */
export function readStateCopy(bytes: Uint8Array, name: string): StateCopy {
  try {
    const entry = openLine(Buffer.from(bytes).toString("utf8").trimEnd());
    if (field(entry, "format") !== format) throw new Error("it is no state of a fleet");
    const found = field(entry, "version");
    if (found !== version) throw new Error(`version ${String(found)}, and this release reads ${version}`);
    const [term, privateKey] = [field(entry, "term"), field(entry, "privateKey")];
    if (typeof term !== "number" || typeof privateKey !== "string")
      throw new Error("it lacks its term or its key");
    return { term, privateKey, state: readState(field(entry, "state")) };
  } catch (thrown) {
    const why = MayflyError.from(thrown).message;
    throw new MayflyError("DAMAGED", `the state of a fleet at ${name} is damaged: ${why}`, { cause: thrown });
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) throw new Error("it is no JSON object");
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
