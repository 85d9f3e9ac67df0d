/** Stage 1: each function scans its share of a table, keeps what the query wants of it, and sends that to where it is joined. */
import { type BatchCodec, partitionOf, RecordWriter } from "mayfly/records";
import type { FunctionContext } from "../../run-on-fleet.ts";
import { codecs, ownerOf, revenueOf, type ScanEvent, type ShuffleName, shuffleOf } from "../query.ts";
import { customerCount, customerOf, linesOf, orderCount, orderOf } from "../tables.ts";

/** Rows that were sent. */
type ScanResult = number;

export function scanOrders(event: ScanEvent, context: FunctionContext): Promise<ScanResult> {
  const rows = scan(event, orderCount(event), (index) => ownerOf(orderOf(event, index)) ?? []);
  return send(event, context, "orders", codecs.orders, ({ orderkey }) => orderkey, rows);
}

export function scanLines(event: ScanEvent, context: FunctionContext): Promise<ScanResult> {
  const linesOfOrder = (index: number) => linesOf(event, index).flatMap((line) => revenueOf(line) ?? []);
  const rows = scan(event, orderCount(event), linesOfOrder);
  return send(event, context, "lines", codecs.lines, ({ orderkey }) => orderkey, rows);
}

export function scanCustomers(event: ScanEvent, context: FunctionContext): Promise<ScanResult> {
  const rows = scan(event, customerCount(event), (index) => customerOf(event, index));
  return send(event, context, "customers", codecs.customers, ({ custkey }) => custkey, rows);
}

/** The rows of this map's share of a table. */
function* scan<T>({ map, maps }: ScanEvent, count: number, rowsOf: (index: number) => T | T[]): Generator<T> {
  const end = Math.floor(((map + 1) * count) / maps);
  for (let index = Math.floor((map * count) / maps); index < end; index++) {
    const rows = rowsOf(index);
    if (Array.isArray(rows)) yield* rows;
    else yield rows;
  }
}

async function send<T>(
  event: ScanEvent,
  { job, attempt }: FunctionContext,
  name: ShuffleName,
  codec: BatchCodec<T>,
  keyOf: (row: T) => number,
  rows: Iterable<T>,
): Promise<ScanResult> {
  const { map, partitions } = event;
  await using writer = new RecordWriter<T>(
    job.shuffle(name, shuffleOf(name, event)).writer(map, { attempt }),
    {
      ...{ codec, partitions, partitionOf: (row) => partitionOf(String(keyOf(row)), partitions) },
    },
  );
  for (const row of rows) await writer.write(row);
  const { records } = await writer.commit();
  return records;
}
