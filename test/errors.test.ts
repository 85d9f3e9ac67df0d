import { describe, expect, test } from "vitest";
import { type ErrorCode, errorTable, isErrorCode, MayflyError } from "../src/errors.ts";

const codes = Object.keys(errorTable) as ErrorCode[];

describe("over RESP", () => {
  test.each(codes)("%s comes back as itself, with its message and its hint", (code) => {
    const sent = new MayflyError(code, "what happened\r\nand why", { retryAfterMs: 49.5 });
    const back = MayflyError.fromResp(sent.toResp());
    expect(back).toMatchObject({ code, message: "what happened and why", retryAfterMs: 50 });
    expect(MayflyError.fromResp(new MayflyError(code, "plain").toResp()).retryAfterMs).toBeUndefined();
  });

  test("prefixes are unique, and an unknown one is an internal error with the whole line", () => {
    expect(new Set(codes.map((code) => errorTable[code].resp)).size).toBe(codes.length);
    expect(MayflyError.fromResp("LOADING Redis is loading")).toMatchObject({
      ...{ code: "INTERNAL", message: "LOADING Redis is loading" },
    });
  });
});

test("anything thrown becomes a MayflyError once, with the original as its cause", () => {
  const cause = new TypeError("oops");
  const error = MayflyError.from(cause);
  expect(error).toMatchObject({ code: "INTERNAL", kind: "internal", httpStatus: 500, cause });
  expect(MayflyError.from(error)).toBe(error);
});

test("only codes of the table are codes", () => {
  expect(isErrorCode("LOST")).toBe(true);
  expect(isErrorCode("toString")).toBe(false);
  expect(isErrorCode(7)).toBe(false);
});
