import { expect, test } from "vitest";
import { benchRecords } from "../../bench/records.ts";

test("only the kernels that are asked for are measured, in GB/s, without peers", async () => {
  const lines: string[] = [];
  const { signal } = new AbortController();
  const log = (line: string): void => void lines.push(line);
  const report = await benchRecords({ rounds: 1, only: "check", signal, log });
  expect(report.scenario).toBe("records");
  expect(report.cases).toEqual(
    ["checksum", "check order"].map((name) => ({
      ...{ case: name, compared: "gbPerSecond", peers: {}, ratios: {} },
      mayfly: { gbPerSecond: expect.any(Number), spread: 0 },
    })),
  );
  expect(lines).toHaveLength(2);
});
