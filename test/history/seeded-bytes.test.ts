import { expect, test } from "vitest";
import { blockBytes, checkBytes, makeBytes, valueBytesMin } from "./seeded-bytes.ts";

const sizes = [valueBytesMin, 17, 100, blockBytes - 1, blockBytes, blockBytes + 16, 3 * blockBytes + 5000];

test("bytes say which value of which key they are", () => {
  for (const [number, sizeBytes] of sizes.entries()) {
    const bytes = makeBytes({ key: "k", number, sizeBytes });
    expect(checkBytes("k", bytes)).toEqual({ right: true, number, sizeBytes });
    expect(checkBytes("other", bytes).right).toBe(false);
  }
});

test("every wrong byte is found, and every missing one", () => {
  const bytes = makeBytes({ key: "k", number: 7, sizeBytes: blockBytes + 200 });
  for (let at = 0; at < bytes.length; at++) {
    const wrong = Uint8Array.from(bytes);
    wrong[at]! ^= 1;
    expect(checkBytes("k", wrong).right).toBe(false);
  }
  expect(checkBytes("k", bytes.subarray(0, -1)).right).toBe(false);
});

test("a range knows its value from wherever it begins", () => {
  const whole = { key: "k", number: 9, sizeBytes: 10 * blockBytes + 77 };
  const bytes = makeBytes(whole);
  for (const offset of [0, 1, 4095, 4096, 5000, 2 * blockBytes + 4]) {
    const range = Uint8Array.from(bytes.subarray(offset, offset + 2 * blockBytes));
    expect(checkBytes("k", range, offset, true)).toMatchObject({ right: true, number: 9 });
    expect(checkBytes("k", range, offset + 1, true).right).toBe(false);
    range[range.length - 1]! ^= 0x80;
    expect(checkBytes("k", range, offset, true).right).toBe(false);
  }
});

test("a mixture of two values is wrong", () => {
  const [one, other] = [1, 2].map((number) => makeBytes({ key: "k", number, sizeBytes: 4 * blockBytes }));
  const mixed = Buffer.concat([one!.subarray(0, 2 * blockBytes), other!.subarray(2 * blockBytes)]);
  expect(checkBytes("k", mixed).right).toBe(false);
});
