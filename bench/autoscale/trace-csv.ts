/**
 * Real traces as CSV. The first line names the columns, in any order:
 *
 *     job,start_s,end_s,peak_bytes[,ramp_s][,hint_bytes]
 *
 * `job` a name of at most 200 characters; `start_s` and `end_s` seconds from the beginning of the trace, with fractions if need be;
 * `peak_bytes` user bytes, parity not counted; `ramp_s` seconds from the start until all of them are written, else half of the
 * life; `hint_bytes` what the job said it would hold, empty when it said nothing. No quotes, no commas in names. Empty
 * lines and lines that begin with # are skipped.
 */
import { MayflyError } from "../../src/errors.ts";
import { measureDemand, type Trace, type TraceJob } from "./trace.ts";

export const csvJobsMax = 1_000_000;
export const csvSecondsMax = 31 * 86_400;
const nameLengthMax = 200;
const bytesPerFunction = 1024 ** 3;
const functionsMax = 1000;

const required = ["job", "start_s", "end_s", "peak_bytes"] as const;
const optional = ["ramp_s", "hint_bytes"] as const;
type Column = (typeof required)[number] | (typeof optional)[number];

/** @throws MayflyError INPUT_INVALID naming the line and what is wrong with it */
export function parseTraceCsv(text: string): Trace {
  const lines = text.split(/\r?\n/);
  let columns: readonly Column[] | undefined;
  const jobs: TraceJob[] = [];
  for (const [at, line] of lines.entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const cells = line.split(",").map((cell) => cell.trim());
    if (columns === undefined) {
      columns = columnsOf(cells, at + 1);
      continue;
    }
    if (jobs.length >= csvJobsMax)
      throw invalid(at + 1, `is job ${csvJobsMax + 1}; a trace has at most ${csvJobsMax}`);
    jobs.push(jobOf(cells, columns, at + 1));
  }
  if (columns === undefined)
    throw new MayflyError("INPUT_INVALID", `the trace is empty; it begins with ${required}`);
  if (jobs.length === 0) throw new MayflyError("INPUT_INVALID", "the trace names its columns and no job");
  jobs.sort((a, b) => a.startSeconds - b.startSeconds);
  const seconds = Math.ceil(jobs.reduce((last, { endSeconds }) => Math.max(last, endSeconds), 0));
  return { jobs, seconds, ...measureDemand(jobs, seconds) };
}

function columnsOf(cells: readonly string[], line: number): readonly Column[] {
  const known: readonly string[] = [...required, ...optional];
  const unknown = cells.find((cell) => !known.includes(cell));
  if (unknown !== undefined) {
    throw invalid(line, `names a column ${JSON.stringify(unknown)}; columns are ${known.join(", ")}`);
  }
  const missing = required.find((column) => !cells.includes(column));
  if (missing !== undefined)
    throw invalid(line, `names no column ${missing}; these must be there: ${required}`);
  const twice = cells.find((cell, at) => cells.indexOf(cell) !== at);
  if (twice !== undefined) throw invalid(line, `names the column ${twice} twice`);
  return cells as readonly Column[];
}

function jobOf(cells: readonly string[], columns: readonly Column[], line: number): TraceJob {
  if (cells.length !== columns.length) {
    throw invalid(line, `has ${cells.length} values for ${columns.length} columns`);
  }
  const cell = (column: Column): string => cells[columns.indexOf(column)] ?? "";
  const number = (column: Column, max: number): number => {
    const value = /^\d{1,16}(?:\.\d{1,9})?$/.test(cell(column)) ? Number(cell(column)) : Number.NaN;
    if (value >= 0 && value <= max) return value;
    throw invalid(line, `has ${column} ${JSON.stringify(cell(column))}; it takes a number from 0 to ${max}`);
  };
  const job = cell("job");
  if (job === "" || job.length > nameLengthMax) {
    throw invalid(line, `has a job name of ${job.length} characters; it takes 1 to ${nameLengthMax}`);
  }
  const startSeconds = number("start_s", csvSecondsMax);
  const endSeconds = number("end_s", csvSecondsMax);
  if (endSeconds <= startSeconds)
    throw invalid(line, `ends at ${endSeconds}, which is not after its start at ${startSeconds}`);
  const peakBytes = number("peak_bytes", Number.MAX_SAFE_INTEGER);
  const lifeSeconds = endSeconds - startSeconds;
  const rampSeconds = cell("ramp_s") === "" ? lifeSeconds / 2 : number("ramp_s", csvSecondsMax);
  if (rampSeconds > lifeSeconds)
    throw invalid(line, `ramps for ${rampSeconds} s and lives for ${lifeSeconds} s`);
  return {
    ...{ job, startSeconds, endSeconds, peakBytes, rampSeconds, leadSeconds: 0 },
    ...(cell("hint_bytes") !== "" && { hintBytes: number("hint_bytes", Number.MAX_SAFE_INTEGER) }),
    functions: Math.min(functionsMax, Math.max(1, Math.ceil(peakBytes / bytesPerFunction))),
  };
}

function invalid(line: number, what: string): MayflyError {
  return new MayflyError("INPUT_INVALID", `line ${line} of the trace ${what}`);
}
