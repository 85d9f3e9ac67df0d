/** `mayfly get`: the bytes at a key, or of a ref, to a file or to standard output. */
import { pipeline } from "node:stream/promises";
import type { GetOptions, Job } from "../../client/job.ts";
import type { ByteRange } from "../../client/objects/read-object.ts";
import { MayflyError } from "../errors.ts";
import { Ref } from "../wire/ref.ts";
import { ticketOption, timeoutOption, withJob } from "./fleet-access.ts";
import { flag, option } from "./option.ts";
import { writeOutput } from "./output-file.ts";
import { createProgress } from "./progress.ts";
import { parseDurationMs } from "./sizes.ts";
import { onlyText } from "./terminal-text.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb, type OutputStream } from "./verb.ts";

const refPrefix = "mfr1.";

const options = {
  ticket: ticketOption,
  wait: option({
    value: "DURATION",
    help: "wait so long for the key to appear",
    parse: parseDurationMs,
    short: "w",
    defaultNote: "not at all",
  }),
  range: option({
    value: "A-B",
    help: "only bytes A to B, both included, from 0 on; A- for all from A on",
    parse: parseRange,
  }),
  timeout: { ...timeoutOption, defaultNote: "30s for each piece of 4MiB" },
  force: flag("print to a terminal what is not text", "f"),
};

export const getVerb = defineVerb({
  name: "get",
  summary: "read what a key holds",
  usage: "KEY|REF [FILE|-]",
  description:
    "Writes the bytes to FILE, which is replaced only when all of them are there, or to standard output. With --json, " +
    "which needs a FILE, the answer is { file, bytes }.",
  options,
  examples: [
    "mayfly get greeting",
    "mayfly get frames/7 frame.png",
    "mayfly get model --wait 30s --range 0-1023 | xxd",
  ],
  async run({ options: values, positionals, json, stdout, stderr, clock, print }) {
    const [name = "", path = "-"] = positionals;
    const { ticket, wait, range, timeout, force } = values;
    if (json && path === "-") throw new UsageError("--json describes a file that was written; name a FILE");
    const from = name.startsWith(refPrefix) ? Ref.parse(name) : name;
    const getOptions: GetOptions = {
      ...(wait !== undefined && { waitMs: wait }),
      ...(range !== undefined && { range }),
      ...(timeout !== undefined && { timeoutMs: timeout }),
    };
    await withJob(ticket, async (job) => {
      if (path === "-") return await toStandardOutput(job.stream(from, getOptions), stdout, force);
      const enabled = stderr.isTTY === true && !json;
      const bar = createProgress(stderr, { enabled, clock, showAfterMs: 500 }).bar({
        label: path,
        totalBytes: undefined,
      });
      const bytes = await writeOutput(
        path,
        counted(job, from, getOptions, (done) => bar.update(done)),
      );
      bar.finish();
      if (json) print(JSON.stringify({ file: path, bytes }));
    });
  },
});

/** "0-99" is the first 100 bytes; "100-" all others. @throws UsageError */
export function parseRange(text: string, what: string): ByteRange {
  const match = /^(\d{1,15})-(\d{1,15})?$/.exec(text);
  const start = Number(match?.[1]);
  const end = match?.[2] === undefined ? Number.MAX_SAFE_INTEGER : Number(match[2]) + 1;
  if (match !== null && end > start) return { start, end };
  throw new UsageError(
    `${what} is ${JSON.stringify(text)}; it takes first and last byte, like 0-1023, or 1024-`,
  );
}

async function toStandardOutput(
  pieces: AsyncIterable<Uint8Array>,
  stdout: OutputStream,
  force: boolean,
): Promise<void> {
  const advice = "write it to a file (mayfly get KEY FILE), pipe it on, or say --force";
  const shown = stdout.isTTY === true && !force ? onlyText(pieces, advice) : pieces;
  try {
    await pipeline(shown, stdout, { end: false });
  } catch (thrown) {
    if (thrown instanceof MayflyError) throw thrown;
    // A reader that has seen enough; main.ts ends the process quietly.
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EPIPE") return;
    const why = MayflyError.from(thrown).message;
    throw new MayflyError("OUTPUT_FAILED", `standard output cannot be written: ${why}`, { cause: thrown });
  }
}

async function* counted(
  job: Job,
  from: string | Ref,
  getOptions: GetOptions,
  tell: (doneBytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const piece of job.stream(from, getOptions)) {
    yield piece;
    doneBytes += piece.length;
    tell(doneBytes);
  }
}
