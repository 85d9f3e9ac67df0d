/**
 * Sizes, durations and rates as people type and read them. Decimal and binary units are different numbers: 1GB is 10^9
 * bytes and 1GiB is 2^30; "1G" is refused, since nobody can know which was meant.
 */
import { UsageError } from "./usage-error.ts";

export type UnitBase = "binary" | "decimal";

const decimalUnits = ["B", "kB", "MB", "GB", "TB", "PB"] as const;
const binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const bytesOfUnit = new Map<string, number>([
  ...decimalUnits.map((unit, power) => [unit.toLowerCase(), 1000 ** power] as const),
  ...binaryUnits.map((unit, power) => [unit.toLowerCase(), 1024 ** power] as const),
]);

const msOfUnit = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/**
 * "2GiB", "100MB", "1.5 GiB", or plain bytes: a whole number of bytes up to 2^53 - 1.
 * @param what names the value in messages: "--memory"
 * @throws UsageError
 */
export function parseBytes(text: string, what: string): number {
  const match = /^(\d{1,16}(?:\.\d{1,9})?) ?([a-z]{0,3})$/i.exec(text);
  const unit = match?.[2]?.toLowerCase() ?? "";
  const unitBytes = unit === "" ? 1 : bytesOfUnit.get(unit);
  if (match === null || unitBytes === undefined) throw noSize(text, what);
  const exact = Number(match[1]) * unitBytes;
  const bytes = unitBytes === 1 ? exact : Math.round(exact);
  if (Number.isSafeInteger(bytes)) return bytes;
  if (bytes > Number.MAX_SAFE_INTEGER) {
    throw new UsageError(
      `${what} is ${text}, which is too large: it must be less than ${formatBytes(2 ** 53)}`,
    );
  }
  throw new UsageError(`${what} is ${text}, which is no whole number of bytes`);
}

function noSize(text: string, what: string): UsageError {
  const letter = /^([\d.]+) ?([kmgtp])$/i.exec(text);
  if (letter !== null) {
    const [, number, prefix = ""] = letter;
    const big = prefix.toUpperCase();
    return new UsageError(`${what} is ${text}; write ${number}${big}iB (1024s) or ${number}${big}B (1000s)`);
  }
  return new UsageError(`${what} is ${shown(text)}; it takes a size like 512MiB, 2GiB or 100MB`);
}

/** "512 MiB", "1.5 GiB", "17 B": three digits; `parseBytes` reads it back as nearly the same. */
export function formatBytes(bytes: number, base: UnitBase = "binary"): string {
  const [units, step] = base === "binary" ? [binaryUnits, 1024] : [decimalUnits, 1000];
  let power = 0;
  let value = bytes;
  // What would be printed counts: 999.6 kB is 1 MB.
  while (power < units.length - 1 && Number(threeDigits(value)) >= step) {
    value /= step;
    power++;
  }
  return `${threeDigits(value)} ${units[power]}`;
}

/** "100MB/s", "1.5 GiB/s": bytes per second. @throws UsageError */
export function parseRate(text: string, what: string): number {
  if (!text.endsWith("/s")) {
    throw new UsageError(`${what} is ${shown(text)}; it takes a rate like 100MB/s or 1GiB/s`);
  }
  return parseBytes(text.slice(0, -2), what);
}

/** Always decimal, as networks and disks are measured: "1.2 GB/s". */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond, "decimal")}/s`;
}

/** "500ms", "30s", "10m", "1.5h", "1h30m", "2d", "0": milliseconds, rounded to whole ones. @throws UsageError */
export function parseDurationMs(text: string, what: string): number {
  if (text === "0") return 0;
  if (/^(?:\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d))+$/.test(text)) {
    let ms = 0;
    for (const [, number, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
      ms += Number(number) * msOfUnit.get(unit!)!;
    }
    if (ms <= Number.MAX_SAFE_INTEGER) return Math.round(ms);
    throw new UsageError(`${what} is ${text}, which is longer than anything lasts`);
  }
  const unitless = /^[\d.]+$/.test(text) ? `; write ${text}s or ${text}ms` : "";
  throw new UsageError(
    unitless === ""
      ? `${what} is ${shown(text)}; it takes a duration like 500ms, 30s or 10m`
      : `${what} is ${text} without a unit${unitless}`,
  );
}

/** "450ms", "12s", "9m 59s", "1h 30m", "3d": the two largest units. */
export function formatDuration(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)}ms`;
  let seconds = Math.round(ms / 1000);
  const parts: string[] = [];
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

function threeDigits(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)));
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
