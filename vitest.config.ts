import { defineConfig } from "vitest/config";

/** Tests that start processes: they go one file at a time, for their deadlines are about real time. */
const processes = [
  "test/integration/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/controller/provisioners/**/*.test.ts",
  "test/chaos/chaos.test.ts",
  "test/cache-node/store/resident*.test.ts",
];
const timeouts = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: [
      {
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
        test: {
          ...timeouts,
          name: "processes",
          include: processes,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
