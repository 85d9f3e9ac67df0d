import { expect, test } from "vitest";
import { checkCode, codeFault, defaultCode, formatCode, parseCode } from "../../src/placement/code.ts";

test("the default code leaves a spare node where the fleet has one", () => {
  const codes = [1, 2, 3, 4, 5, 6, 7, 8, 100].map((nodes) => formatCode(defaultCode(nodes)));
  expect(codes).toEqual(["1+0", "1+1", "1+1", "2+1", "3+1", "4+1", "4+2", "4+2", "4+2"]);
});

test("a code reads as it prints", () => {
  for (const text of ["1+0", "4+2", "21+4", "252+3", "255+0"]) expect(formatCode(parseCode(text))).toBe(text);
});

test("what is no code is refused with what is wrong", () => {
  for (const text of ["", "4", "4+", "+2", "4+2+1", "4 + 2", "-4+2", "4.5+2", "0x4+2", "9999+1"]) {
    expect(() => parseCode(text), text).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
  expect(() => parseCode("0+2")).toThrow(/at least 1 data shard/);
  expect(() => parseCode("10+5")).toThrow(/0 to 4 parity shards, not 5/);
  expect(() => parseCode("22+4")).toThrow(/at most 21 data shards, not 22/);
  expect(() => parseCode("253+3")).toThrow(/256 shards.*at most 255/);
  expect(() => checkCode({ d: 2.5, p: 1 })).toThrow(/not 2.5/);
});

test("the limits themselves are codes", () => {
  expect(codeFault({ d: 21, p: 4 })).toBeUndefined();
  expect(codeFault({ d: 252, p: 3 })).toBeUndefined();
});
