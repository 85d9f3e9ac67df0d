import { MayflyError } from "mayfly";
import { expect, test } from "vitest";
import type { Executor } from "../../examples/run-on-fleet.ts";
import { createRun, type LostOutputs, lostOutputs, runStage, type Task } from "../../examples/run-stages.ts";

/** Runs what `functions` has, in this process. */
function executorOf(functions: Record<string, (event: number) => unknown>): Executor {
  const run: Executor["run"] = async ({ name }, event) => functions[name]!(event as number);
  return {
    run,
    map: (handler, events) => Promise.all(events.map((event) => run(handler, event))),
    close: async () => undefined,
  };
}

const task = (name: string, event: number, output?: Task["output"]): Task => ({
  ...{ handler: { module: "", name }, event },
  ...(output !== undefined && { output }),
});

test("outputs that are lost are written again, once for all who miss them, and so are those that these need", async () => {
  const written: string[] = [];
  const there = new Set(["b/0", "b/1"]);
  const write = (name: string): string => {
    written.push(name);
    there.add(name);
    return name;
  };
  const need = (...names: string[]): LostOutputs | undefined => {
    const missing = names.filter((name) => !there.has(name));
    if (missing.length === 0) return undefined;
    const [shuffle = ""] = missing[0]!.split("/");
    return {
      lost: {
        shuffle,
        maps: missing.filter((name) => name.startsWith(shuffle)).map((name) => Number(name.split("/")[1])),
      },
    };
  };
  const executor = executorOf({
    first: (map) => write(`a/${map}`),
    second: (map) => need("a/0", "a/1") ?? write(`b/${map}`),
    reads: (partition) => need("b/0", "b/1") ?? partition,
  });
  const firsts = [0, 1].map((map) => task("first", map, { shuffle: "a", map }));
  const seconds = [0, 1].map((map) => task("second", map, { shuffle: "b", map }));
  const run = createRun(executor, [...firsts, ...seconds]);
  there.delete("b/1");
  const done: number[] = [];
  const reads = [5, 6, 7].map((partition) => task("reads", partition));
  expect(await runStage(run, reads, (count) => done.push(count))).toEqual([5, 6, 7]);
  expect(done).toEqual([1, 2, 3]);
  expect(written.sort()).toEqual(["a/0", "a/1", "b/1"]);
});

test("what is lost again and again is told of", async () => {
  const executor = executorOf({ writes: () => null, reads: () => ({ lost: { shuffle: "a", maps: [0] } }) });
  const run = createRun(executor, [task("writes", 0, { shuffle: "a", map: 0 })]);
  await expect(run(task("reads", 0))).rejects.toMatchObject({ code: "LOST" });
  await expect(createRun(executor, [])(task("reads", 0))).rejects.toMatchObject({ code: "INTERNAL" });
});

test("only lost outputs are told of in a result", () => {
  const lost = Object.assign(new MayflyError("LOST", "gone"), { maps: [3, 4] });
  expect(lostOutputs("a", lost)).toEqual({ lost: { shuffle: "a", maps: [3, 4] } });
  for (const other of [new MayflyError("LOST", "an object"), new MayflyError("DAMAGED", "wrong")])
    expect(() => lostOutputs("a", other)).toThrow(other);
});
