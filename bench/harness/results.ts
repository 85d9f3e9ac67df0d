/** The files of a report. */
import { randomUUID } from "node:crypto";
import { access, constants, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../../src/errors.ts";
import { plotReport } from "./plot.ts";
import type { BenchReport } from "./report.ts";

/** Paths of the files that were written. */
export interface ResultFiles {
  readonly json: string;
  readonly svg: string;
}

/**
 * Makes the folder, with those above it, and checks that it can be written to: to be called before anything is measured.
 * @throws MayflyError OUTPUT_FAILED
 */
export async function prepareResults(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK | constants.X_OK);
  } catch (thrown) {
    throw unwritable(dir, thrown);
  }
}

/**
 * Writes `<scenario>.json` and `<scenario>.svg`. Nobody ever sees half of one: each is written beside its place, and the
 * results of an earlier run stay until it is whole.
 * @throws MayflyError OUTPUT_FAILED
 */
export async function writeResults(report: BenchReport, dir: string): Promise<ResultFiles> {
  const json = join(dir, `${report.scenario}.json`);
  const svg = join(dir, `${report.scenario}.svg`);
  await replaceFile(json, formatReport(report));
  await replaceFile(svg, plotReport(report));
  return { json, svg };
}

/** JSON, one line for each figure, and one for all points of a curve. */
export function formatReport(report: BenchReport): string {
  const oneLine = (key: string, value: unknown): unknown =>
    key === "points" ? JSON.stringify(value) : value;
  const text = JSON.stringify(report, oneLine, 2);
  // Points are pairs of numbers, so that nothing in them was escaped.
  return `${text.replaceAll(/"points": "([^"]*)"/g, '"points": $1')}\n`;
}

/** @throws MayflyError OUTPUT_FAILED */
export async function replaceFile(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomUUID().slice(0, 8)}.partial`;
  try {
    await writeFile(beside, text, { flag: "wx" });
    await rename(beside, path);
  } catch (thrown) {
    // It may not be there, or not even its folder.
    await rm(beside, { force: true }).catch(() => undefined);
    throw unwritable(path, thrown);
  }
}

function unwritable(path: string, thrown: unknown): MayflyError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new MayflyError(
    "OUTPUT_FAILED",
    `${path} cannot be written: ${why}; name another folder with --out DIR, or give --no-save`,
    { cause: thrown },
  );
}
