import { expect, test } from "vitest";
import { inlineArgs } from "../../src/wire/inline-args.ts";

const split = (line: string): string[] | undefined =>
  inlineArgs(Buffer.from(line, "latin1"))?.map((arg) => arg.toString("latin1"));

test.each<[string, string[]]>([
  ["", []],
  [" \t\v\f\r", []],
  ["PING\r", ["PING"]],
  ["  SET  k\tv ", ["SET", "k", "v"]],
  ["\"\" ''", ["", ""]],
  ["\"a b\" 'c d'", ["a b", "c d"]],
  ['"\\n\\r\\t\\b\\a\\\\\\"\\q"', ['\n\r\t\b\x07\\"q']],
  ['"\\x00\\xfF\\x4z\\x"', ["\0\xffx4zx"]],
  ["'it\\'s \\n \"x\"'", ['it\'s \\n "x"']],
  ['a"b c"', ["ab c"]],
  ["a\\n", ["a\\n"]],
  ["GET \xff\x80", ["GET", "\xff\x80"]],
  ["GET a\0 b", ["GET", "a"]],
])("%j", (line, args) => {
  expect(split(line)).toEqual(args);
});

test.each(['"', "'", '"abc', "'abc\\'", '"a"b', "'a'b", '"a\\"', '"a\\', 'GET "a\0"'])(
  "%j does not balance",
  (line) => {
    expect(split(line)).toBeUndefined();
  },
);
