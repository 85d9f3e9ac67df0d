/**
 * A function's first value: `first-read.js <URL of the SDK> <ticket> <key>` in a fresh process. Nothing but what a function
 * needs is imported, and that only after the time is taken.
 */
const beginMs = performance.now();

/** One line of JSON on standard output. */
export interface FirstRead {
  /** From the first line of the program until the SDK is there, and until the value is. */
  readonly importMs: number;
  readonly firstReadMs: number;
  /** Milliseconds since 1970 when the value was there. */
  readonly endWallMs: number;
  readonly bytes: number;
}

const [sdkUrl = "", ticket = "", key = ""] = process.argv.slice(2);
const { connect } = (await import(sdkUrl)) as typeof import("../../client/index.ts");
const importMs = performance.now() - beginMs;
const job = await connect(ticket);
const value = await job.get(key);
const endMs = performance.now();
const told: FirstRead = {
  importMs,
  firstReadMs: endMs - beginMs,
  endWallMs: performance.timeOrigin + endMs,
  bytes: value.length,
};
process.stdout.write(`${JSON.stringify(told)}\n`);
job.close();
