import { describe, expect, test, vi } from "vitest";
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

describe("MayflyError.from", () => {
  class Foreign extends Error {
    override readonly name = "MayflyError";
    readonly code = "BUSY";
  }

  test("leaves errors of another copy of the class as they are", async () => {
    vi.resetModules();
    const copy = await import("../src/errors.ts");
    expect(copy.MayflyError).not.toBe(MayflyError);
    for (const error of [new copy.MayflyError("BUSY", "later"), new Foreign("later")]) {
      expect(MayflyError.from(error)).toBe(error);
      expect(copy.MayflyError.from(error)).toBe(error);
    }
  });

  test("leaves errors of a subclass as they are, and no other counts as one of it", () => {
    class Special extends MayflyError {}
    const special = new Special("BUSY", "later");
    expect(MayflyError.from(special)).toBe(special);
    expect(new MayflyError("BUSY", "later")).not.toBeInstanceOf(Special);
  });

  test.each([
    ["the name as text", "MayflyError"],
    ["bytes", Buffer.from("MayflyError")],
    ["another error", new TypeError("MayflyError")],
    ["what is no error", { name: "MayflyError", code: "BUSY", message: "later" }],
    ["null", null],
    ["undefined", undefined],
  ])("takes %s for an internal error", (_, value) => {
    const made = MayflyError.from(value);
    expect([made.code, made.cause]).toEqual(["INTERNAL", value]);
  });
});
