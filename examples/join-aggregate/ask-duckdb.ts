/** The answer of DuckDB over the same rows, to compare with. The package is `@duckdb/node-api`. */
import type { DuckDBAppender, DuckDBConnection } from "@duckdb/node-api";
import { MayflyError } from "mayfly";
import { type AnswerRow, sql } from "./query.ts";
import { customerCount, customerOf, linesOf, orderCount, orderOf, type TablesSpec } from "./tables.ts";

const tables = [
  "CREATE TABLE customer (c_custkey INTEGER, c_name VARCHAR, c_nation VARCHAR, c_acctbal DECIMAL(15, 2))",
  "CREATE TABLE orders (o_orderkey INTEGER, o_custkey INTEGER, o_orderdate DATE)",
  `CREATE TABLE lineitem (l_orderkey INTEGER, l_linenumber INTEGER, l_quantity DECIMAL(15, 2),
     l_extendedprice DECIMAL(15, 2), l_discount DECIMAL(15, 2), l_shipdate DATE, l_returnflag VARCHAR)`,
];

type DuckDb = typeof import("@duckdb/node-api");

/** All rows of the answer, in its order. @throws MayflyError INVALID_ARGUMENT without the package */
export async function askDuckDb(spec: TablesSpec): Promise<AnswerRow[]> {
  const duckdb = await import("@duckdb/node-api").catch((cause: unknown): never => {
    const message = "there is no DuckDB to compare with; type: npm install @duckdb/node-api";
    throw new MayflyError("INVALID_ARGUMENT", message, { cause });
  });
  const instance = await duckdb.DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    for (const table of tables) await connection.run(table);
    await load(duckdb, connection, spec);
    const rows = (await connection.runAndReadAll(sql)).getRows();
    return rows.map(([custkey, name, nation, acctbal, revenue]) => ({
      ...{ custkey: Number(custkey), name: String(name), nation: String(nation) },
      ...{ acctbal: String(acctbal), revenue: String(revenue) },
    }));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function load(duckdb: DuckDb, connection: DuckDBConnection, spec: TablesSpec): Promise<void> {
  const decimal = (hundredths: number) => new duckdb.DuckDBDecimalValue(BigInt(hundredths), 15, 2);
  const date = (day: number) => new duckdb.DuckDBDateValue(day);
  const fill = async (
    table: string,
    count: number,
    append: (to: DuckDBAppender, index: number) => void,
  ): Promise<void> => {
    const appender = await connection.createAppender(table);
    for (let index = 0; index < count; index++) append(appender, index);
    appender.closeSync();
  };
  await fill("customer", customerCount(spec), (to, index) => {
    const { custkey, name, nation, acctbalCents } = customerOf(spec, index);
    to.appendInteger(custkey);
    to.appendVarchar(name);
    to.appendVarchar(nation);
    to.appendDecimal(decimal(acctbalCents));
    to.endRow();
  });
  await fill("orders", orderCount(spec), (to, index) => {
    const { orderkey, custkey, orderdate } = orderOf(spec, index);
    to.appendInteger(orderkey);
    to.appendInteger(custkey);
    to.appendDate(date(orderdate));
    to.endRow();
  });
  await fill("lineitem", orderCount(spec), (to, index) => {
    for (const line of linesOf(spec, index)) {
      to.appendInteger(line.orderkey);
      to.appendInteger(line.linenumber);
      to.appendDecimal(decimal(100 * line.quantity));
      to.appendDecimal(decimal(line.extendedpriceCents));
      to.appendDecimal(decimal(line.discountPercent));
      to.appendDate(date(line.shipdate));
      to.appendVarchar(line.returnflag);
      to.endRow();
    }
  });
}

/** Which row is the first that differs, or undefined. */
export function firstDifference(
  ours: readonly AnswerRow[],
  theirs: readonly AnswerRow[],
): string | undefined {
  for (let row = 0; row < Math.max(ours.length, theirs.length); row++) {
    const [our, their] = [ours[row], theirs[row]].map((each) => JSON.stringify(each) ?? "nothing");
    if (our !== their) return `row ${row + 1} is ${our}, and DuckDB says ${their}`;
  }
  return undefined;
}
