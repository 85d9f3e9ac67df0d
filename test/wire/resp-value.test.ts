import { expect, test } from "vitest";
import { RespError, RespMap, RespVerbatim, respText } from "../../src/wire/resp-value.ts";

test("an error line becomes the error of the table", () => {
  expect(new RespError("BUSY come back").toMayflyError()).toMatchObject({
    code: "BUSY",
    message: "come back",
  });
  expect(new RespError("ODD thing").toMayflyError()).toMatchObject({
    code: "INTERNAL",
    message: "ODD thing",
  });
});

test("text of what is text", () => {
  const inMemory = new Uint8Array(Buffer.from("[grüße]")).subarray(1, 8);
  expect(respText("a")).toBe("a");
  expect(respText(inMemory)).toBe("grüße");
  expect(respText(new RespVerbatim("txt", Buffer.from("v")))).toBe("v");
  expect([null, 1, true, [], undefined].map(respText)).toEqual(Array(5).fill(undefined));
});

test("a map is looked up by simple and bulk keys, the first of equals", () => {
  const map = new RespMap(["a", 1, Buffer.from("b"), "a", "b", 3, 4, "four"]);
  expect([map.get("a"), map.get("b"), map.get("c"), map.get("four")]).toEqual([1, "a", undefined, undefined]);
});
