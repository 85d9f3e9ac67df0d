import { expect, test } from "vitest";
import {
  customerCount,
  customerOf,
  dayOf,
  type LineItem,
  linesOf,
  orderCount,
  orderOf,
} from "../../../examples/join-aggregate/tables.ts";

const spec = { seed: 7, scale: 0.002 };
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const customers = numbers(customerCount(spec)).map((index) => customerOf(spec, index));
const orders = numbers(orderCount(spec)).map((index) => orderOf(spec, index));
const lines = orders.map((_, index) => linesOf(spec, index));

test("tables have the sizes of their scale, and keys that lead from one to the other", () => {
  expect([customers.length, orders.length]).toEqual([300, 3000]);
  expect(lines.flat().length / orders.length).toBeCloseTo(4, 0);
  expect(customers.map(({ custkey }) => custkey)).toEqual(numbers(300).map((index) => index + 1));
  for (const [index, { orderkey, custkey }] of orders.entries()) {
    expect(orderkey).toBe(index + 1);
    expect(customers[custkey - 1]?.custkey).toBe(custkey);
    // A third of the customers orders nothing.
    expect(custkey % 3).not.toBe(0);
    const numbered = lines[index]!.map((line) => [line.orderkey, line.linenumber]);
    expect(numbered).toEqual(numbers(numbered.length).map((line) => [orderkey, line + 1]));
  }
  expect(new Set(orders.map(({ custkey }) => custkey)).size).toBe(200);
});

test("values are in their ranges, and whole", () => {
  const range = (of: (line: LineItem) => number): [number, number] => {
    const values = lines.flat().map(of);
    expect(values.every(Number.isSafeInteger)).toBe(true);
    return [Math.min(...values), Math.max(...values)];
  };
  expect(range(({ discountPercent }) => discountPercent)).toEqual([0, 10]);
  expect(range(({ quantity }) => quantity)).toEqual([1, 50]);
  const [least, most] = range(({ extendedpriceCents }) => extendedpriceCents);
  expect(least).toBeGreaterThanOrEqual(90_000);
  expect(most).toBeLessThanOrEqual(50 * 210_000);
  const days = orders.map(({ orderdate }) => orderdate);
  expect(Math.min(...days)).toBeGreaterThanOrEqual(dayOf("1992-01-01"));
  expect(Math.max(...days)).toBeLessThanOrEqual(dayOf("1998-08-02"));
  for (const { orderkey, shipdate, returnflag } of lines.flat()) {
    expect(shipdate).toBeGreaterThan(orders[orderkey - 1]!.orderdate);
    if (shipdate >= dayOf("1995-06-17")) expect(returnflag).toBe("N");
  }
  expect(new Set(lines.flat().map(({ returnflag }) => returnflag))).toEqual(new Set(["A", "N", "R"]));
});

test("a seed always makes the same rows, and another one others", () => {
  expect(orderOf(spec, 5)).toEqual(orders[5]);
  expect(linesOf(spec, 5)).toEqual(lines[5]);
  const others = orders.map((_, index) => orderOf({ ...spec, seed: 8 }, index));
  expect(others.filter((order, index) => order.custkey === orders[index]!.custkey).length).toBeLessThan(100);
});
