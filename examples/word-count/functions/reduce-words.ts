/** Adds up the counts of the words of one partition. */
import { readRecords, reduceRecords } from "mayfly/records";
import type { FunctionContext } from "../../run-on-fleet.ts";
import { type LostOutputs, lostOutputs } from "../../run-stages.ts";
import { codecOf, combine, type ReduceEvent, type ReduceResult, shuffleName, topOf } from "../word-counts.ts";

export async function reduceWords(
  event: ReduceEvent,
  { job }: FunctionContext,
): Promise<ReduceResult | LostOutputs> {
  const { partition, maps, partitions, codec, top } = event;
  const reader = job.shuffle(shuffleName, { maps, partitions }).reader(partition);
  try {
    const counts = await reduceRecords(readRecords(reader, codecOf(codec)), combine.keyOf, combine.merge);
    const words = [...counts.values()].reduce((sum, { count }) => sum + count, 0);
    return { words, distinct: counts.size, top: topOf(counts.values(), top) };
  } catch (thrown) {
    return lostOutputs(shuffleName, thrown);
  }
}
