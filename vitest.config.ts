import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Tests whose deadlines are about real time: one file at a time. */
const alone = [
  "test/chaos/chaos.test.ts",
  "test/integration/{controller-restart,elastic-fleet,fair-reads,frozen-node,node-loss}.test.ts",
  "test/integration/{waiting-read,young-generation}.test.ts",
  "test/controller/provisioners/**/*.test.ts",
  "test/cache-node/store/resident*.test.ts",
];
/** Other tests that start processes: they wait as long as it takes. */
const programs = ["test/integration/**/*.test.ts", "test/cli/**/*.test.ts"];
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
          exclude: [...alone, ...programs],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve,
        test: {
          ...timeouts,
          name: "alone",
          include: alone,
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
          exclude: alone,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
