import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many tests start real node processes; more files at once than cores only makes their deadlines noisy.
    maxWorkers: 2,
  },
});
