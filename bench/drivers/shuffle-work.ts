/** The work of one worker of the shuffle scenario, on any store. */
import { machineMs } from "../harness/operation-log.ts";
import { eachOf } from "../peers/read-ahead.ts";
import type { BlockShuffle, ShuffleStore } from "../peers/shuffle-store.ts";
import { type BlockSource, createBlockSource } from "./block-source.ts";
import type { ShufflePhase, ShuffleRequest } from "./shuffle-messages.ts";

/** Of 100 bytes, as those of a sort. */
const recordBytes = 100;

export function createShuffleWork(
  store: ShuffleStore,
): (request: ShuffleRequest) => Promise<ShufflePhase | undefined> {
  let shuffle: { readonly name: string; readonly of: BlockShuffle } | undefined;
  let source: { readonly kind: string; readonly of: BlockSource } | undefined;

  return async ({ ask, shape, blockBytes, tasks, tasksAtOnce }) => {
    const { name, maps, partitions } = shape;
    if (shuffle?.name !== name) shuffle = { name, of: store.shuffle(shape) };
    if (ask === "delete") {
      await shuffle.of.delete();
      return undefined;
    }
    const kind = `${maps}x${partitions}x${blockBytes}`;
    if (source?.kind !== kind) source = { kind, of: createBlockSource(maps, partitions, blockBytes) };
    const [{ of: blocks }, { of: outputs }] = [shuffle, source];
    const lengths = new Float64Array(partitions).fill(blockBytes);
    const records = new Float64Array(partitions).fill(Math.ceil(blockBytes / recordBytes));
    const run =
      ask === "map"
        ? async (map: number): Promise<void> => {
            const writer = blocks.writer(map);
            await writer.writeRun(outputs.output(map), lengths, records);
            await writer.commit();
          }
        : (partition: number) => reduce(blocks, partition, maps, outputs, records[partition]!);
    const [requestsBefore, cpuBefore, beganMs] = [store.requests(), process.cpuUsage(), machineMs()];
    await eachOf(tasks, tasksAtOnce, run);
    const endedMs = machineMs();
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      ...{ beganMs, endedMs, cpuSeconds: (user + system) / 1e6 },
      requests: store.requests() - requestsBefore,
    };
  };
}

/** Compares all bytes: a tenth of a second for a gigabyte. @throws Error when a block is missing, there twice, or another one */
async function reduce(
  shuffle: BlockShuffle,
  partition: number,
  maps: number,
  source: BlockSource,
  recordsOfBlock: number,
): Promise<void> {
  const seen = new Uint8Array(maps);
  let blocks = 0;
  for await (const { map, records, data } of shuffle.reader(partition)) {
    const isRight = source.block(map, partition).equals(data) && records === recordsOfBlock;
    if (!isRight || seen[map] !== 0)
      throw new Error(`partition ${partition} has other bytes of map ${map} than were written`);
    seen[map] = 1;
    blocks += 1;
  }
  if (blocks !== maps) throw new Error(`partition ${partition} has blocks of ${blocks} of ${maps} maps`);
}
