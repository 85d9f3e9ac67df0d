import { expect, test } from "vitest";
import { askDuckDb, firstDifference } from "../../../examples/join-aggregate/ask-duckdb.ts";
import {
  type AnswerRow,
  answerRow,
  decimalText,
  ownerOf,
  revenueOf,
  topOf,
} from "../../../examples/join-aggregate/query.ts";
import {
  customerCount,
  customerOf,
  dayOf,
  linesOf,
  orderCount,
  orderOf,
} from "../../../examples/join-aggregate/tables.ts";

test("amounts are exact decimals", () => {
  expect(decimalText(1234500n, 4)).toBe("123.4500");
  expect(decimalText(-790n, 2)).toBe("-7.90");
  expect(decimalText(-5n, 2)).toBe("-0.05");
  expect(decimalText(0n, 4)).toBe("0.0000");
  expect(decimalText(2n ** 60n, 4)).toBe("115292150460684.6976");
});

test("the quarter begins with its first day and ends before the next one; only what was sent back counts", () => {
  const order = (date: string) => ownerOf({ orderkey: 1, custkey: 2, orderdate: dayOf(date) });
  expect(order("1993-09-30")).toBeUndefined();
  expect(order("1993-10-01")).toEqual({ orderkey: 1, custkey: 2 });
  expect(order("1993-12-31")).toEqual({ orderkey: 1, custkey: 2 });
  expect(order("1994-01-01")).toBeUndefined();
  const line = { orderkey: 1, linenumber: 1, quantity: 1, extendedpriceCents: 10_01, shipdate: 0 };
  expect(revenueOf({ ...line, discountPercent: 7, returnflag: "R" })).toEqual({
    orderkey: 1,
    revenue: 93093n,
  });
  expect(revenueOf({ ...line, discountPercent: 7, returnflag: "A" })).toBeUndefined();
});

test("rows are in the order of their revenue, then of their customers", () => {
  const row = (custkey: number, revenue: bigint): AnswerRow =>
    answerRow({ custkey, name: "", nation: "", acctbalCents: 0 }, revenue);
  const rows = [row(1, 99999n), row(2, 100000n), row(4, 5n), row(3, 5n)];
  expect(topOf(rows, 9).map(({ custkey }) => custkey)).toEqual([2, 1, 3, 4]);
  expect(topOf(rows, 1)).toEqual([row(2, 100000n)]);
});

test("DuckDB says what a loop over the tables says, and a row that differs is found", async () => {
  const spec = { seed: 3, scale: 0.001 };
  const sums = new Map<number, bigint>();
  for (let index = 0; index < orderCount(spec); index++) {
    const owner = ownerOf(orderOf(spec, index));
    for (const line of owner === undefined ? [] : linesOf(spec, index)) {
      const sum = sums.get(owner!.custkey) ?? 0n;
      const found = revenueOf(line);
      if (found !== undefined) sums.set(owner!.custkey, sum + found.revenue);
    }
  }
  const rows: AnswerRow[] = [];
  for (let index = 0; index < customerCount(spec); index++) {
    const customer = customerOf(spec, index);
    const sum = sums.get(customer.custkey);
    if (sum !== undefined) rows.push(answerRow(customer, sum));
  }
  const answer = await askDuckDb(spec);
  expect(answer.length).toBeGreaterThan(20);
  expect(topOf(rows, rows.length)).toEqual(answer);
  expect(firstDifference(answer, answer)).toBeUndefined();
  expect(firstDifference(answer.slice(0, -1), answer)).toMatch(`row ${answer.length} is nothing, and DuckDB`);
  const changed = answer.with(2, { ...answer[2]!, revenue: "1.0000" });
  expect(firstDifference(changed, answer)).toMatch('row 3 is {"custkey"');
});
