import fc from "fast-check";
import { expect, test } from "vitest";
import { jobNumber } from "../../src/ids.ts";
import {
  durableBegin,
  durableMark,
  durableName,
  isImportable,
  parseDurableName,
} from "../../src/wire/durable-name.ts";

const fleet = "00112233445566aa";
const job = jobNumber(7);
const mark = durableMark(3, 41);
const nameOf = (key: string | Uint8Array): string => durableName(fleet, job, Buffer.from(key), mark);

const texts = fc.oneof(
  fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }),
  fc.stringMatching(/^[a./@%\\]{1,12}$/),
);
const keys = fc.oneof(
  texts.map((text) => Buffer.from(text)),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
);

test("plain keys are read in the name as they are", () => {
  expect(nameOf("frames/7")).toBe(`${fleet}/durable/job-7/frames/7@0000000300000029`);
  expect(nameOf("größe 1.csv")).toBe(`${fleet}/durable/job-7/größe 1.csv@0000000300000029`);
  expect(nameOf("/a//b/../c/")).toContain("/%2Fa%2F%2Fb/%2E%2E/c%2F@");
  expect(nameOf("50%@x\\\n")).toContain("/50%25%40x%5C%0A@");
  expect(nameOf(Uint8Array.of(0x61, 0xff))).toContain("/a%FF@");
});

test("each key has one name, each name one key, and stores take it", () => {
  fc.assert(
    fc.property(keys, keys, (key, other) => {
      const name = durableName(fleet, job, key, mark);
      expect(parseDurableName(name)).toEqual({ fleet, job, key, mark });
      expect(durableName(fleet, job, other, mark) === name).toBe(key.equals(other));
      expect(name.startsWith(durableBegin(fleet, job, other))).toBe(key.equals(other));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what stores refuse.
      expect(name).not.toMatch(/[\u0000-\u001f\u007f]/);
      for (const segment of name.split("/")) expect(["", ".", ".."]).not.toContain(segment);
    }),
  );
});

test("names of a key are in the order of generations, and of writes within one", () => {
  const numbers = fc.constantFrom(0, 1, 9, 10, 15, 16, 255, 65_536, 2 ** 31, 2 ** 32 - 1);
  fc.assert(
    fc.property(numbers, numbers, numbers, numbers, (generation, count, laterGeneration, laterCount) => {
      const isLater = laterGeneration > generation || (laterGeneration === generation && laterCount > count);
      const [name, later] = [durableMark(generation, count), durableMark(laterGeneration, laterCount)];
      expect(Buffer.compare(Buffer.from(name), Buffer.from(later)) < 0).toBe(isLater);
    }),
  );
});

test("what no job has written is no durable name", () => {
  const wrong = [
    "frames/7",
    `${fleet}/durable/job-7/frames/7`,
    `${fleet}/durable/job-7/@0000000300000029`,
    `${fleet}/durable/job-0/x@0000000300000029`,
    `${fleet}/durable/job-4294967296/x@0000000300000029`,
    `${fleet}/durable/job-7/x%41@0000000300000029`,
    `${fleet}/durable/job-7/x%@0000000300000029`,
    `${fleet}/durable/job-7/x@000000030000002`,
    `${fleet}/spill/job-7/x@0000000300000029`,
  ];
  for (const name of wrong) expect(parseDurableName(name), name).toBeUndefined();
});

test("a key that is too long for a name is refused", () => {
  expect(() => nameOf("k".repeat(1024))).toThrow(expect.objectContaining({ code: "TOO_LARGE" }));
  expect(nameOf("k".repeat(900)).length).toBeLessThanOrEqual(1024);
});

test("a job may import what is durable of others and what no fleet keeps, and nothing else", () => {
  const open = [
    "in/data.csv",
    "x",
    `${fleet}/durable/job-8/x`,
    "ffffffffffffffff/durable/job-7/x",
    "abc/spill/x",
  ];
  const closed = [
    ...[`${fleet}/durable/job-7/x`, `${fleet}/spill/job-7/x`, `${fleet}/spill/job-8/x`, `${fleet}/journal`],
    ...[
      "ffffffffffffffff/spill/job-1/x",
      fleet,
      "a//b",
      "../x",
      "a/./b",
      "a/",
      "",
      `${fleet}/durable/../spill/x`,
    ],
  ];
  for (const name of open) expect(isImportable(name, fleet, job), name).toBe(true);
  for (const name of closed) expect(isImportable(name, fleet, job), name).toBe(false);
});
