/** Runs the samples of one client of the kv scenario. */
import { runLoad } from "../harness/load.ts";
import type { KvStore } from "../peers/kv-store.ts";
import type { KvSample, KvSampleRequest } from "./kv-messages.ts";
import { createValueRing, type ValueRing } from "./value-ring.ts";

const operationsMin = 5;

/** @param name of the contender, for keys and errors */
export function createKvLoad(store: KvStore, name: string): (request: KvSampleRequest) => Promise<KvSample> {
  const rings = new Map<number, ValueRing>();
  const checked = new Set<string>();
  let reused: Buffer[] = [];

  const ringOf = async (valueBytes: number): Promise<ValueRing> => {
    const ring = rings.get(valueBytes) ?? createValueRing(store, name, valueBytes);
    rings.set(valueBytes, ring);
    await ring.fill();
    return ring;
  };
  const buffersFor = ({ into, outstanding, valueBytes }: KvSampleRequest): readonly Buffer[] => {
    const wanted = into ? outstanding : 0;
    if (reused.length !== wanted || reused[0]?.length !== valueBytes) {
      reused = Array.from({ length: wanted }, () => Buffer.alloc(valueBytes));
    }
    return reused;
  };

  return async (request) => {
    const { operation, valueBytes, outstanding, into, durationMs, beside } = request;
    const ring = await ringOf(valueBytes);
    const background = beside && { ...beside, ring: await ringOf(beside.valueBytes) };
    const buffers = buffersFor(request);
    const { keys } = ring;
    const read = (index: number, caller: number): Promise<Uint8Array> =>
      into && store.getInto !== undefined ? ring.getInto(index, buffers[caller]!) : ring.get(index);

    ring.turn();
    let stopped = false;
    const startCpu = process.cpuUsage();
    const aside = background && runBeside(background, () => stopped);
    // A failure of it is reported below, and must not end the process before.
    aside?.catch(() => undefined);
    const result = await runLoad({
      ...{ outstanding, durationMs },
      operationsMin: Math.max(operationsMin, 2 * outstanding),
      // Callers take keys of their own: none writes what another is writing.
      operation:
        operation === "put"
          ? (caller, turn) => ring.put((caller + turn * outstanding) % keys)
          : (caller, turn) => read((caller + turn * outstanding) % keys, caller),
    }).finally(() => {
      stopped = true;
    });
    const besideOperations = (await aside) ?? 0;
    const { user, system } = process.cpuUsage(startCpu);

    const kind = JSON.stringify({ ...request, durationMs: 0 });
    if (!checked.has(kind)) {
      await Promise.all(
        Array.from({ length: Math.min(outstanding, keys) }, async (_, caller) =>
          ring.check(caller, await read(caller, caller)),
        ),
      );
      checked.add(kind);
    }
    return {
      ...result,
      cpuSeconds: (user + system) / 1e6,
      besideBytes: besideOperations * (beside?.valueBytes ?? 0),
    };
  };
}

/** Puts and gets in turn until it is stopped; resolves to how many. */
async function runBeside(
  { ring, outstanding }: { readonly ring: ValueRing; readonly outstanding: number },
  stopped: () => boolean,
): Promise<number> {
  const { operations } = await runLoad({
    ...{ outstanding, stopped, durationMs: Number.POSITIVE_INFINITY },
    operation: (caller, turn) => {
      const index = (caller + turn * outstanding) % ring.keys;
      return turn % 2 === 0 ? ring.put(index) : ring.get(index);
    },
  });
  return operations;
}
