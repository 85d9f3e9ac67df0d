import type { Group } from "../../../src/ids.ts";
import { jobNumber } from "../../../src/ids.ts";
import type { Effect } from "../../../src/wire/cell.ts";

/** A plain write of `value` at `key`, for tests that care about little of it. */
export function effectOf(sequence: number, change: Partial<Effect> = {}): Effect {
  return {
    group: 0 as Group,
    version: { generation: 1, sequence },
    job: jobNumber(1),
    session: "sessions",
    sessionSequence: 0,
    sessionFloor: 0,
    kind: "bytes",
    expiresAtMs: 0,
    key: Buffer.from("key"),
    value: Buffer.from(`value ${sequence}`),
    ...change,
  };
}
