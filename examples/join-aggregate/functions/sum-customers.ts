/** Stage 3: sums the revenue of each customer of a partition, and joins it with what is known of the customer. */
import { readRecords, reduceRecords } from "mayfly/records";
import type { FunctionContext } from "../../run-on-fleet.ts";
import { type LostOutputs, lostOutputs } from "../../run-stages.ts";
import {
  type AnswerRow,
  answerRow,
  codecs,
  combineRevenue,
  type ShuffleName,
  type SumEvent,
  type SumResult,
  shuffleOf,
  topOf,
} from "../query.ts";

export async function sumCustomers(
  event: SumEvent,
  { job }: FunctionContext,
): Promise<SumResult | LostOutputs> {
  const readerOf = (name: ShuffleName) => job.shuffle(name, shuffleOf(name, event)).reader(event.partition);
  let reading: ShuffleName = "revenue";
  try {
    const { keyOf, merge } = combineRevenue;
    const sums = await reduceRecords(readRecords(readerOf("revenue"), codecs.revenue), keyOf, merge);
    reading = "customers";
    const rows: AnswerRow[] = [];
    for await (const customer of readRecords(readerOf("customers"), codecs.customers)) {
      const sum = sums.get(String(customer.custkey));
      if (sum !== undefined) rows.push(answerRow(customer, sum.revenue));
    }
    return { customers: rows.length, top: topOf(rows, event.top) };
  } catch (thrown) {
    return lostOutputs(reading, thrown);
  }
}
