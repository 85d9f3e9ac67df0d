/**
 * The query, after TPC-H's tenth: which customers sent back goods of how much revenue that were ordered in one quarter. What
 * each stage filters and what travels between stages, and the same in SQL.
 */
import { Int32, Int64, Utf8 } from "apache-arrow";
import type { Combiner } from "mayfly/records";
import { arrowBatches } from "../codecs/arrow.ts";
import { type Customer, dayOf, type LineItem, type Order, type TablesSpec } from "./tables.ts";

export const quarter = { from: "1993-10-01", before: "1994-01-01" } as const;
const [fromDay, beforeDay] = [dayOf(quarter.from), dayOf(quarter.before)];

export const sql = `
  SELECT c_custkey, c_name, c_nation, c_acctbal, sum(l_extendedprice * (1 - l_discount)) AS revenue
  FROM customer
  JOIN orders ON o_custkey = c_custkey
  JOIN lineitem ON l_orderkey = o_orderkey
  WHERE o_orderdate >= DATE '${quarter.from}' AND o_orderdate < DATE '${quarter.before}' AND l_returnflag = 'R'
  GROUP BY c_custkey, c_name, c_nation, c_acctbal
  ORDER BY revenue DESC, c_custkey`;

/** By order. */
export interface OrderOwner {
  readonly orderkey: number;
  readonly custkey: number;
}

/** By order. Revenue is in hundredths of a cent: price times discount is exact. */
export interface LineRevenue {
  readonly orderkey: number;
  readonly revenue: bigint;
}

/** By customer. */
export interface CustomerRevenue {
  readonly custkey: number;
  readonly revenue: bigint;
}

export const codecs = {
  orders: arrowBatches<OrderOwner>({ orderkey: new Int32(), custkey: new Int32() }),
  lines: arrowBatches<LineRevenue>({ orderkey: new Int32(), revenue: new Int64() }),
  revenue: arrowBatches<CustomerRevenue>({ custkey: new Int32(), revenue: new Int64() }),
  customers: arrowBatches<Customer>({
    ...{ custkey: new Int32(), name: new Utf8(), nation: new Utf8(), acctbalCents: new Int32() },
  }),
} as const;

export type ShuffleName = keyof typeof codecs;

/** Undefined for orders of other quarters. */
export function ownerOf({ orderkey, custkey, orderdate }: Order): OrderOwner | undefined {
  return orderdate >= fromDay && orderdate < beforeDay ? { orderkey, custkey } : undefined;
}

/** Undefined for what was not sent back. */
export function revenueOf(line: LineItem): LineRevenue | undefined {
  if (line.returnflag !== "R") return undefined;
  return {
    orderkey: line.orderkey,
    revenue: BigInt(line.extendedpriceCents) * BigInt(100 - line.discountPercent),
  };
}

export const combineRevenue: Combiner<CustomerRevenue> = {
  keyOf: ({ custkey }) => String(custkey),
  merge: (first, second) => ({ custkey: first.custkey, revenue: first.revenue + second.revenue }),
};

/** A row of the answer; amounts as decimal text, as a database prints them. */
export interface AnswerRow {
  readonly custkey: number;
  readonly name: string;
  readonly nation: string;
  readonly acctbal: string;
  readonly revenue: string;
}

export function answerRow({ custkey, name, nation, acctbalCents }: Customer, revenue: bigint): AnswerRow {
  return {
    ...{ custkey, name, nation },
    ...{ acctbal: decimalText(BigInt(acctbalCents), 2), revenue: decimalText(revenue, 4) },
  };
}

/** 1234500n with 4 places is 123.4500. */
export function decimalText(units: bigint, places: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** Most revenue first, as the query orders them. */
export function topOf(rows: readonly AnswerRow[], top: number): AnswerRow[] {
  // All have as many places.
  const unitsOf = ({ revenue }: AnswerRow): bigint => BigInt(revenue.replace(".", ""));
  return rows
    .map((row) => ({ row, units: unitsOf(row) }))
    .sort((a, b) => Number(b.units - a.units) || a.row.custkey - b.row.custkey)
    .slice(0, top)
    .map(({ row }) => row);
}

/** Of every function: the tables, and the shuffles between the stages. */
export interface QueryEvent extends TablesSpec {
  /** Of each table's scan. */
  readonly maps: number;
  readonly partitions: number;
}

export interface ScanEvent extends QueryEvent {
  readonly map: number;
}

export interface PartitionEvent extends QueryEvent {
  readonly partition: number;
}

export interface SumEvent extends PartitionEvent {
  readonly top: number;
}

export interface SumResult {
  /** Customers of the partition that are in the answer. */
  readonly customers: number;
  readonly top: readonly AnswerRow[];
}

/** What stage writes a shuffle decides how many maps it has. */
export function shuffleOf(
  name: ShuffleName,
  { maps, partitions }: QueryEvent,
): { maps: number; partitions: number } {
  return { maps: name === "revenue" ? partitions : maps, partitions };
}
