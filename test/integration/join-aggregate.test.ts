/** The join as its users start it: functions are ended, a node is killed, and the answer is DuckDB's, row by row. */
import { expect, test } from "vitest";
import { askDuckDb } from "../../examples/join-aggregate/ask-duckdb.ts";
import { exampleReport, startExample } from "../support/run-example.ts";

test("two shuffles join and sum what DuckDB does, through functions that are ended and a node that is killed", async () => {
  const spec = { seed: 11, scale: 0.005 };
  const answer = await askDuckDb(spec);
  expect(answer.length).toBeGreaterThan(100);
  const report = await exampleReport("join-aggregate", [
    ...["--scale", String(spec.scale), "--seed", String(spec.seed), "--top", "10000"],
    ...["--workers", "2", "--maps", "2", "--partitions", "3", "--fail-rate", "0.2", "--kill-node", "--check"],
  ]);
  expect(report["rows"]).toEqual(answer);
  expect(report).toMatchObject({ customers: answer.length, checked: true, maps: 2, partitions: 3 });
  // Lines of a customer are combined in the join; customers that are in several partitions are not.
  expect(report["joined"]).toBeGreaterThan(answer.length);
  expect(report["joined"]).toBeLessThan(report["scanned"] as number);

  const wrong = await startExample("join-aggregate", ["--scale", "-1"]).ended;
  expect(wrong).toMatchObject({ code: 2, stdout: "" });
  expect(wrong.stderr).toContain("--scale");
});
