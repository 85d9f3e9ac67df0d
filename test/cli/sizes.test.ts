import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatBytes,
  formatDuration,
  formatRate,
  parseBytes,
  parseDurationMs,
  parseRate,
} from "../../src/cli/sizes.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

describe("sizes", () => {
  test.each([
    ["0", 0],
    ["17", 17],
    ["17B", 17],
    ["1kB", 1000],
    ["1KiB", 1024],
    ["100MB", 100e6],
    ["2GiB", 2 ** 31],
    ["2 gib", 2 ** 31],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["0.1kB", 100],
    ["1TB", 1e12],
    ["1TiB", 2 ** 40],
    ["7PiB", 7 * 2 ** 50],
  ])("%s", (text, bytes) => expect(parseBytes(text, "--memory")).toBe(bytes));

  test.each([
    ["", /--memory is ""; it takes a size like 512MiB/],
    ["2G", /--memory is 2G; write 2GiB \(1024s\) or 2GB \(1000s\)/],
    ["1.5m", /write 1\.5MiB \(1024s\) or 1\.5MB/],
    ["-1", /takes a size/],
    ["1e9", /takes a size/],
    ["1 000", /takes a size/],
    ["2GiBs", /takes a size/],
    ["1.5", /--memory is 1\.5, which is no whole number of bytes/],
    ["9PiB", /--memory is 9PiB, which is too large: it must be less than 8 PiB/],
    ["9007199254740993", /too large/],
  ])("%s is refused", (text, message) => {
    expect(() => parseBytes(text, "--memory")).toThrow(message);
    expect(() => parseBytes(text, "--memory")).toThrow(UsageError);
  });

  test.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [2 ** 20 - 1, "1 MiB"],
    [200 * 2 ** 20, "200 MiB"],
    [1.234 * 2 ** 30, "1.23 GiB"],
    [2 ** 53, "8 PiB"],
  ])("%s bytes in binary units", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test.each([
    [999, "999 B"],
    [999_499, "999 kB"],
    [999_600, "1 MB"],
    [12_340_000, "12.3 MB"],
  ])("%s bytes in decimal units", (bytes, text) => expect(formatBytes(bytes, "decimal")).toBe(text));

  test("what is printed is read back as nearly the same", () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat().map((n) => Math.floor(n * 0.99)),
        fc.constantFrom("binary" as const, "decimal" as const),
        (bytes, base) => {
          const again = parseBytes(formatBytes(bytes, base), "it");
          expect(Math.abs(again - bytes)).toBeLessThanOrEqual(bytes * 0.0051);
        },
      ),
    );
  });
});

describe("rates", () => {
  test("are sizes a second", () => {
    expect(parseRate("100MB/s", "--rate")).toBe(100e6);
    expect(parseRate("1 GiB/s", "--rate")).toBe(2 ** 30);
    expect(() => parseRate("100MB", "--rate")).toThrow(/--rate is "100MB"; it takes a rate like 100MB\/s/);
    expect(() => parseRate("1G/s", "--rate")).toThrow(/write 1GiB/);
  });

  test("are printed in decimal units", () => expect(formatRate(1.25e9)).toBe("1.25 GB/s"));
});

describe("durations", () => {
  test.each([
    ["0", 0],
    ["500ms", 500],
    ["30s", 30_000],
    ["10m", 600_000],
    ["1.5h", 5_400_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["0.4ms", 0],
  ])("%s", (text, ms) => expect(parseDurationMs(text, "--ttl")).toBe(ms));

  test.each([
    ["", /--ttl is ""; it takes a duration like 500ms, 30s or 10m/],
    ["30", /--ttl is 30 without a unit; write 30s or 30ms/],
    ["-1s", /takes a duration/],
    ["5 s", /takes a duration/],
    ["1w", /takes a duration/],
    ["999999999999d", /longer than anything lasts/],
  ])("%s is refused", (text, message) => expect(() => parseDurationMs(text, "--ttl")).toThrow(message));

  test.each([
    [0, "0ms"],
    [999, "999ms"],
    [999.9, "1s"],
    [1000, "1s"],
    [599_000, "9m 59s"],
    [600_000, "10m"],
    [3_600_000, "1h"],
    [5_430_000, "1h 30m"],
    [3_601_000, "1h"],
    [259_200_000, "3d"],
  ])("%s ms", (ms, text) => expect(formatDuration(ms)).toBe(text));
});
