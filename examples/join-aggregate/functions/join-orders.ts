/** Stage 2: joins the lines of a partition with their orders, and sends what each customer has to where it is summed. */
import { partitionOf, RecordWriter, readRecords } from "mayfly/records";
import type { FunctionContext } from "../../run-on-fleet.ts";
import { type LostOutputs, lostOutputs } from "../../run-stages.ts";
import {
  type CustomerRevenue,
  codecs,
  combineRevenue,
  type PartitionEvent,
  type ShuffleName,
  shuffleOf,
} from "../query.ts";

export async function joinOrders(
  event: PartitionEvent,
  { job, attempt }: FunctionContext,
): Promise<number | LostOutputs> {
  const { partition, partitions } = event;
  const shuffle = (name: ShuffleName) => job.shuffle(name, shuffleOf(name, event));
  await using writer = new RecordWriter<CustomerRevenue>(shuffle("revenue").writer(partition, { attempt }), {
    ...{ codec: codecs.revenue, partitions, combine: combineRevenue },
    partitionOf: ({ custkey }) => partitionOf(String(custkey), partitions),
  });
  let reading: ShuffleName = "orders";
  try {
    const custkeys = new Map<number, number>();
    for await (const { orderkey, custkey } of readRecords(shuffle("orders").reader(partition), codecs.orders))
      custkeys.set(orderkey, custkey);
    reading = "lines";
    for await (const { orderkey, revenue } of readRecords(shuffle("lines").reader(partition), codecs.lines)) {
      const custkey = custkeys.get(orderkey);
      if (custkey !== undefined) await writer.write({ custkey, revenue });
    }
  } catch (thrown) {
    return lostOutputs(reading, thrown);
  }
  const { records } = await writer.commit();
  return records;
}
