/**
 * A load whose pace does not depend on the answers: operations are due at fixed times, and count from when they were
 * due. A key has one operation of a stream at a time; turns that pass meanwhile are left out. All that is read is
 * compared with what was written.
 */
import type { Ref } from "../../src/wire/ref.ts";
import { storedBytes, stripeAt, stripeCount } from "../../src/wire/stripe-layout.ts";
import { createOperationRecorder, machineMs, type OperationRecorder } from "../harness/operation-log.ts";
import type { CheckReply, FillReply, KeySet, LoadReply, LoadStream } from "./steady-messages.ts";
import { createVersionedValues, type VersionedValues } from "./versioned-values.ts";

/** As much of a `Job` as a load needs. */
export interface LoadTarget {
  put(key: string, value: Uint8Array): Promise<Pick<Ref, "sizeBytes" | "code" | "stripes">>;
  get(key: string, options?: { readonly into: Uint8Array }): Promise<Uint8Array>;
}

export interface SteadyLoad {
  /** Writes all keys of a new set. @throws what a put throws */
  fill(set: KeySet, outstanding: number): Promise<FillReply>;
  /** Reads all keys of a set that nobody writes. */
  check(set: string, outstanding: number): Promise<CheckReply>;
  start(streams: readonly LoadStream[]): void;
  /** Begins no more operations; resolves when the last has ended. */
  stop(): Promise<LoadReply>;
}

interface SetState {
  readonly set: KeySet;
  readonly values: VersionedValues;
  /** By key: the newest version that was sent, and the newest that was acknowledged. */
  readonly sent: Int32Array;
  readonly acknowledged: Int32Array;
}

interface RunningStream {
  readonly stream: LoadStream;
  readonly index: number;
  readonly state: SetState;
  readonly busy: Uint8Array;
  /** Buffers that nobody reads into. */
  readonly spare: Buffer[];
  turn: number;
}

const tickMs = 1;
const complaintsMax = 20;

export function createSteadyLoad(target: LoadTarget): SteadyLoad {
  const sets = new Map<string, SetState>();
  const complaints: string[] = [];
  const underWay = new Set<Promise<void>>();
  let recorder: OperationRecorder = createOperationRecorder([]);
  let running: RunningStream[] = [];
  let skipped = 0;
  let startMs = 0;
  let timer: NodeJS.Timeout | undefined;

  const complain = (what: string, thrown: unknown): void => {
    const why =
      thrown instanceof Error ? `${"code" in thrown ? `${thrown.code} ` : ""}${thrown.message}` : thrown;
    if (complaints.length < complaintsMax) complaints.push(`${what}: ${why}`);
  };
  const stateOf = (name: string): SetState => {
    const state = sets.get(name);
    if (state === undefined) throw new RangeError(`there is no set ${JSON.stringify(name)} of keys`);
    return state;
  };

  async function put({ set, values, sent, acknowledged }: SetState, key: number): Promise<void> {
    const version = sent[key]! + 1;
    sent[key] = version;
    await target.put(set.keys[key]!, values.bytesOf(key, version));
    acknowledged[key] = version;
  }

  async function get(
    { set, values, sent, acknowledged }: SetState,
    key: number,
    spare: Buffer[],
  ): Promise<void> {
    const oldest = acknowledged[key]!;
    const into = spare.pop() ?? Buffer.allocUnsafe(set.valueBytes);
    const value = await target.get(set.keys[key]!, { into });
    const isRight = values.isOneOf(value, key, oldest, sent[key]!);
    spare.push(into);
    if (!isRight) throw new Error(`other bytes than versions ${oldest} to ${sent[key]}`);
  }

  async function operate(
    { stream, index, state, busy, spare }: RunningStream,
    at: number,
    dueMs: number,
  ): Promise<void> {
    const key = stream.keys[at]!;
    busy[at] = 1;
    try {
      await (stream.operation === "put" ? put(state, key) : get(state, key, spare));
      recorder.add(index, key, dueMs, machineMs(), true);
    } catch (thrown) {
      recorder.add(index, key, dueMs, machineMs(), false);
      complain(`${stream.name} of ${state.set.keys[key]}`, thrown);
    } finally {
      busy[at] = 0;
    }
  }

  function tick(): void {
    const nowMs = machineMs();
    for (const each of running) {
      const { keys, periodMs } = each.stream;
      for (;;) {
        const dueMs = startMs + (each.turn * periodMs) / keys.length;
        if (dueMs > nowMs) break;
        const at = each.turn % keys.length;
        each.turn += 1;
        if (each.busy[at] === 1) {
          skipped += 1;
          continue;
        }
        const done = operate(each, at, dueMs).finally(() => underWay.delete(done));
        underWay.add(done);
      }
    }
    timer = setTimeout(tick, tickMs);
  }

  return {
    async fill(set, outstanding) {
      const values = createVersionedValues(set.valueBytes);
      const { length } = set.keys;
      const state = { set, values, sent: new Int32Array(length), acknowledged: new Int32Array(length) };
      sets.set(set.name, state);
      const nodes: number[][] = Array.from({ length }, () => []);
      const shardBytes = new Map<number, number>();
      const beganMs = machineMs();
      await eachOf(length, outstanding, async (key) => {
        const ref = await target.put(set.keys[key]!, values.bytesOf(key, 0));
        nodes[key] = [...new Set(ref.stripes?.flat() ?? [])];
        countShards(ref, shardBytes);
      });
      return { seconds: (machineMs() - beganMs) / 1000, nodes, shardBytes };
    },
    async check(name, outstanding) {
      const state = stateOf(name);
      const spare: Buffer[] = [];
      const beganMs = machineMs();
      let wrong = 0;
      await eachOf(state.set.keys.length, outstanding, async (key) => {
        await get(state, key, spare).catch((thrown: unknown) => {
          wrong += 1;
          complain(`read of ${state.set.keys[key]}`, thrown);
        });
      });
      return { seconds: (machineMs() - beganMs) / 1000, wrong, complaints: complaints.splice(0) };
    },
    start(streams) {
      recorder = createOperationRecorder(streams.map(({ name }) => name));
      running = streams.map((stream, index) => ({
        ...{ stream, index, state: stateOf(stream.set), spare: [], turn: 0 },
        busy: new Uint8Array(stream.keys.length),
      }));
      skipped = 0;
      startMs = machineMs();
      tick();
    },
    async stop() {
      clearTimeout(timer);
      running = [];
      await Promise.all(underWay);
      return { log: recorder.log(), skipped, complaints: complaints.splice(0) };
    },
  };
}

async function eachOf(count: number, outstanding: number, run: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: outstanding }, worker));
}

function countShards(
  { sizeBytes, code, stripes }: Pick<Ref, "sizeBytes" | "code" | "stripes">,
  shardBytes: Map<number, number>,
): void {
  if (stripes === undefined) return;
  for (let index = 0; index < stripeCount(sizeBytes, code); index++) {
    const stripe = stripeAt(sizeBytes, code, index);
    stripes[index]?.forEach((node, shard) => {
      shardBytes.set(node, (shardBytes.get(node) ?? 0) + storedBytes(stripe, code, shard));
    });
  }
}
