/**
 * The log of the autoscaler's decisions: a line of JSON each.
 *
 *     {"format":"mayfly-decisions","version":1,"policy":{...}}                                     first line
 *     {"digest":"16 hex digits","atMs":...,"inventory":{...},"state":{...},"decision":{...},"reasons":[...]}
 *
 * A line holds all that the planner was given, so that each can be replayed without those before it; a log may therefore
 * leave lines out, as those of decisions to hold. The digest is the beginning of the SHA-256 of the line without it. It
 * finds mistakes and careless edits, not forgery.
 */
import { createHash } from "node:crypto";
import { MayflyError } from "../../errors.ts";
import { headerFault, isHeader, isRecord, recordFault } from "./decision-record.ts";
import type { ScaleRecord } from "./scale-inventory.ts";
import { type ScalePolicy, scalePolicy } from "./scale-policy.ts";

export const decisionLogFormat = "mayfly-decisions";
export const decisionLogVersion = 1;

/** A node of the largest fleet takes about 200 bytes, a job with its memory about 300. */
export const lineCharactersMax = 64 * 1024 * 1024;

export interface DecisionLogWriter {
  append(record: ScaleRecord): void;
}

/** Begins a log: the header is written at once. @param write takes whole lines, with their line ends */
export function startDecisionLog(policy: ScalePolicy, write: (text: string) => void): DecisionLogWriter {
  write(`${JSON.stringify({ format: decisionLogFormat, version: decisionLogVersion, policy })}\n`);
  return {
    append(record) {
      write(`${JSON.stringify({ digest: digestOf(record), ...bodyOf(record) })}\n`);
    },
  };
}

export interface LoggedDecision {
  /** In the log, from 1. */
  readonly line: number;
  readonly record: ScaleRecord;
  /** It is as it was written. */
  readonly intact: boolean;
}

export interface DecisionLogReader {
  /** Undefined until the header was read. */
  readonly policy: ScalePolicy | undefined;
  /**
   * Takes the next line, without its end. Undefined for the header and for empty lines.
   * @throws MayflyError INPUT_INVALID naming the line
   */
  read(line: string): LoggedDecision | undefined;
}

/** For logs that are too long to be held at once. */
export function createDecisionLogReader(): DecisionLogReader {
  let number = 0;
  let policy: ScalePolicy | undefined;
  return {
    get policy() {
      return policy;
    },
    read(line) {
      number++;
      if (line.trim() === "") return undefined;
      if (line.length > lineCharactersMax)
        throw invalid(number, `has more than ${lineCharactersMax} characters`);
      const value = parseLine(line, number);
      if (policy === undefined) {
        policy = policyOf(value, number);
        return undefined;
      }
      if (!isRecord(value)) throw invalid(number, `is no decision: ${recordFault(value)}`);
      return { line: number, record: bodyOf(value), intact: value.digest === digestOf(value) };
    },
  };
}

export interface DecisionLog {
  readonly policy: ScalePolicy;
  readonly decisions: readonly LoggedDecision[];
}

/** A whole log. @throws MayflyError INPUT_INVALID naming the line that is wrong */
export function parseDecisionLog(text: string): DecisionLog {
  const reader = createDecisionLogReader();
  const decisions: LoggedDecision[] = [];
  for (const line of text.split("\n")) {
    const found = reader.read(line);
    if (found !== undefined) decisions.push(found);
  }
  return { policy: checkRead(reader), decisions };
}

/** To be called after the last line. @throws MayflyError INPUT_INVALID when there was no header */
export function checkRead({ policy }: DecisionLogReader): ScalePolicy {
  if (policy !== undefined) return policy;
  throw new MayflyError(
    "INPUT_INVALID",
    "the decision log is empty: not even its header is there; name the file that the controller wrote",
  );
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    const end = JSON.stringify(line.slice(-20));
    throw invalid(number, `is no JSON and ends in ${end}: it was cut off, or this is no decision log`);
  }
}

function policyOf(value: unknown, number: number): ScalePolicy {
  if (!isHeader(value)) {
    throw invalid(number, `is no header of a decision log: ${headerFault(value)}`);
  }
  if (value.format !== decisionLogFormat) {
    throw invalid(number, `says format ${JSON.stringify(value.format)}; a log has ${decisionLogFormat}`);
  }
  if (value.version !== decisionLogVersion) {
    throw invalid(
      number,
      `says version ${value.version}, and this Mayfly reads ${decisionLogVersion}; use the one that wrote it`,
    );
  }
  try {
    return scalePolicy(value.policy);
  } catch (thrown) {
    throw invalid(number, `has ${MayflyError.from(thrown).message}`);
  }
}

function invalid(number: number, what: string): MayflyError {
  return new MayflyError("INPUT_INVALID", `line ${number} of the decision log ${what}`);
}

function bodyOf({ atMs, inventory, state, decision, reasons }: ScaleRecord): ScaleRecord {
  return { atMs, inventory, state, decision, reasons };
}

function digestOf(record: ScaleRecord): string {
  return createHash("sha256")
    .update(JSON.stringify(bodyOf(record)))
    .digest("hex")
    .slice(0, 16);
}
