import { expect, test } from "vitest";
import { nodeCases } from "../../bench/node.ts";

test("SET and GET, pipelined or not, few connections and many: each once", () => {
  const names = nodeCases.map(({ name }) => name);
  expect(names).toContain("SET 1KiB P=16 c=50");
  expect(new Set(names).size).toBe(8);
  for (const { name, load } of nodeCases) {
    const [, command, pipelined, connections] = /^(SET|GET) 1KiB P=(\d+) c=(\d+)$/.exec(name)!;
    expect(load).toMatchObject({
      ...{ command: command!.toLowerCase(), valueBytes: 1024 },
      ...{ pipelined: Number(pipelined), connections: Number(connections) },
    });
    // Each connection has something to do.
    expect(load.requests).toBeGreaterThanOrEqual(load.connections * load.pipelined);
  }
});
