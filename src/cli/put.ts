/** `mayfly put`: bytes of a file or of standard input under a key. */
import type { PutOptions } from "../../client/job.ts";
import { MayflyError } from "../errors.ts";
import { ticketOption, timeoutOption, withJob } from "./fleet-access.ts";
import { openInput } from "./input-file.ts";
import { flag, option, parseText } from "./option.ts";
import { type Bar, createProgress } from "./progress.ts";
import { parseDurationMs } from "./sizes.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb, type OptionValues, type VerbContext } from "./verb.ts";

const timeoutMsMin = 30_000;
const timeoutMsMax = 15 * 60_000;
/** Slower than this a file is not expected to go. */
const bytesPerMsMin = 10_000;
/** To find out that nobody answers before a producer of hours is asked to run. */
const probeTimeoutMs = 10_000;

const options = {
  ticket: ticketOption,
  "if-absent": flag("only if the key holds nothing"),
  "if-version": option({
    value: "VERSION",
    help: "only if the key is at this version (see: mayfly ls)",
    parse: parseText,
  }),
  ttl: option({
    value: "DURATION",
    help: "the key expires after so long",
    parse: parseDurationMs,
    defaultNote: "never; it goes with the job",
  }),
  timeout: { ...timeoutOption, defaultNote: "by the size of FILE, from 30s on; 15m for standard input" },
};

export const putVerb = defineVerb({
  name: "put",
  summary: "store bytes under a key",
  usage: "KEY [FILE|-]",
  description:
    "Takes the bytes from FILE or, without one, from standard input. Prints the ref of the object, with which it is read " +
    "without a lookup.",
  options,
  examples: ["echo hello | mayfly put greeting", "mayfly put frames/7 frame.png --ttl 10m --if-absent"],
  async run(context) {
    const [key = "", path = "-"] = context.positionals;
    const { ticket, timeout } = context.options;
    const putOptions = conditions(context.options);
    const file = path === "-" ? undefined : await openInput(path);
    if (file === undefined && context.stdin.isTTY) context.note("Reading from the terminal; Ctrl-D ends it.");
    const progress = createProgress(context.stderr, {
      enabled: context.stderr.isTTY === true && !context.json && !context.stdin.isTTY,
      clock: context.clock,
      showAfterMs: 500,
    });
    const bar = progress.bar({ label: key, totalBytes: file?.sizeBytes });
    const ref = await withJob(ticket, async (job) => {
      if (file === undefined) await job.has(key, { timeoutMs: timeout ?? probeTimeoutMs });
      const timeoutMs = timeout ?? defaultTimeoutMs(file?.sizeBytes);
      const source = file === undefined ? standardInput(context) : file.read();
      return job.put(key, counted(source, bar), { ...putOptions, timeoutMs });
    });
    bar.finish();
    const { version, sizeBytes } = ref;
    context.print(context.json ? JSON.stringify({ key, ref, version, sizeBytes }) : ref.toString());
  },
});

function conditions(values: OptionValues<typeof options>): PutOptions {
  const { "if-absent": ifAbsent, "if-version": ifVersion, ttl } = values;
  if (ifAbsent && ifVersion !== undefined) {
    throw new UsageError("--if-absent and --if-version exclude one another; give one");
  }
  return {
    ifAbsent,
    ...(ifVersion !== undefined && { ifVersion }),
    ...(ttl !== undefined && { ttlMs: ttl }),
  };
}

function defaultTimeoutMs(sizeBytes: number | undefined): number {
  if (sizeBytes === undefined) return timeoutMsMax;
  return Math.min(timeoutMsMax, timeoutMsMin + Math.ceil(sizeBytes / bytesPerMsMin));
}

async function* standardInput({ stdin }: VerbContext): AsyncGenerator<Uint8Array> {
  try {
    yield* stdin as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    const why = MayflyError.from(thrown).message;
    throw new MayflyError("INPUT_INVALID", `standard input cannot be read: ${why}`, { cause: thrown });
  }
}

async function* counted(pieces: AsyncIterable<Uint8Array>, bar: Bar): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const piece of pieces) {
    yield piece;
    doneBytes += piece.length;
    bar.update(doneBytes);
  }
}
