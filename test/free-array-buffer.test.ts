import { expect, test } from "vitest";
import { freeArrayBuffer } from "../src/free-array-buffer.ts";

test("the memory is gone at once, and its views are empty", () => {
  const memory = new ArrayBuffer(64 * 1024 * 1024);
  const view = Buffer.from(memory, 100, 50);
  const before = process.memoryUsage().arrayBuffers;
  freeArrayBuffer(memory);
  expect(memory.byteLength).toBe(0);
  expect(view.length).toBe(0);
  expect(process.memoryUsage().arrayBuffers).toBeLessThanOrEqual(before - 64 * 1024 * 1024);
});
