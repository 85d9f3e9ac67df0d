import { describe, expect, test } from "vitest";
import { resultMemory } from "../../../client/objects/result-memory.ts";
import type { MayflyError } from "../../../src/errors.ts";

describe("memory for a result", () => {
  test.each([0, 1, 4095, 4096, 128 * 1024 - 1, 128 * 1024, 5 * 1024 * 1024])("of %i bytes", (length) => {
    const memory = resultMemory(length, undefined);
    expect(memory.length).toBe(length);
    memory.fill(7);
    expect(memory.every((byte) => byte === 7)).toBe(true);
  });

  test("is not shared by large results", () => {
    const [a, b] = [resultMemory(200_000, undefined), resultMemory(200_000, undefined)];
    expect(a.buffer).not.toBe(b.buffer);
    expect(a.buffer.byteLength).toBe(200_000);
  });

  test("is the caller's where that is large enough", () => {
    const into = new Uint8Array(100);
    const memory = resultMemory(40, into);
    expect(memory.buffer).toBe(into.buffer);
    expect(memory.length).toBe(40);
    expect(resultMemory(100, into).length).toBe(100);
    try {
      resultMemory(101, into);
      expect.unreachable();
    } catch (error) {
      expect((error as MayflyError).code).toBe("INVALID_ARGUMENT");
      expect((error as MayflyError).message).toMatch(/100 bytes and the result has 101/);
    }
  });
});
