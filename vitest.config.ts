import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Tests that start processes: they go one file at a time, for their deadlines are about real time. */
const processes = [
  "test/integration/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/controller/provisioners/**/*.test.ts",
  "test/chaos/chaos.test.ts",
  "test/cache-node/store/resident*.test.ts",
];
/** Whole programs, which end when they are done: two files at a time. */
const programs = [
  "test/cli/sort.test.ts",
  "test/integration/{sort,executor,lambda-executor}.test.ts",
  "test/integration/bench*.test.ts",
  "test/integration/{word-count,join-aggregate,excamera-chain,matrix-multiply}.test.ts",
];
/** The package by its own name, as examples import it: from its sources, like everything else in tests. */
const { name, exports } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as {
  name: string;
  exports: Record<string, string | { default: string }>;
};
const alias = Object.entries(exports).flatMap(([entry, target]) => {
  if (typeof target === "string") return [];
  const source = target.default.replace("./dist/", "./").replace(/\.js$/, ".ts");
  const find = new RegExp(`^${name}${entry.slice(1)}$`);
  return [{ find, replacement: fileURLToPath(new URL(source, import.meta.url)) }];
});
const resolve = { alias };
const timeouts = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        test: {
          ...timeouts,
          name: "in-process",
          include: ["test/**/*.test.ts"],
          exclude: processes,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve,
        test: {
          ...timeouts,
          name: "processes",
          include: processes,
          exclude: programs,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve,
        test: {
          ...timeouts,
          name: "programs",
          include: programs,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
