/** `mayfly job ...`: jobs begin, are listed, kept alive and ended. */
import type { PersistResult } from "../../client/durable/interfaces.ts";
import { formatCode, parseCode } from "../placement/code.ts";
import type { CreateJobRequest, JobHints } from "../wire/control-api.ts";
import { controllerOption, timeoutOption, withController, withJob } from "./fleet-access.ts";
import { flag, option, parseChoice, parseCount, parseText } from "./option.ts";
import { formatBytes, formatDuration, parseBytes, parseDurationMs, parseRate } from "./sizes.ts";
import { jobTable } from "./status.ts";
import { defineVerb, type OptionValues } from "./verb.ts";

const createOptions = {
  controller: controllerOption,
  name: option({ value: "NAME", help: "for people; no two jobs alive have the same", parse: parseText }),
  code: option({
    value: "D+P",
    help: "data and parity shards: 4+2 survives the loss of any 2 nodes",
    parse: parseCode,
    defaultNote: "what fits the fleet",
  }),
  lease: option({
    value: "DURATION",
    help: "without any operation for so long the job is in grace",
    parse: parseDurationMs,
    defaultNote: "10m",
  }),
  grace: option({
    value: "DURATION",
    help: "and is ended after so long",
    parse: parseDurationMs,
    defaultNote: "1m",
  }),
  quota: option({ value: "SIZE", help: "bytes it may hold", parse: parseBytes, defaultNote: "no limit" }),
  "token-ttl": option({
    value: "DURATION",
    help: "how long the ticket is valid",
    parse: parseDurationMs,
    defaultNote: "24h",
  }),
  bytes: option({ value: "SIZE", help: "hint: bytes it will hold at its peak", parse: parseBytes }),
  rate: option({ value: "RATE", help: "hint: bytes a second, like 500MB/s", parse: parseRate }),
  functions: option({ value: "COUNT", help: "hint: functions at a time", parse: parseCount(0, 1e9) }),
  prefer: option({
    value: "latency|cost",
    help: "hint: what comes first",
    parse: parseChoice(["latency", "cost"]),
  }),
};

const parseJob = parseCount(1, 2 ** 32 - 1);

export const jobCreateVerb = defineVerb({
  name: "job create",
  summary: "begin a job and print its ticket",
  usage: "",
  description:
    'Standard output is a line for the shell, so that this sets up the current one: eval "$(mayfly job create)"',
  options: createOptions,
  examples: [
    'eval "$(mayfly job create)"',
    "mayfly job create --name etl --code 4+2 --lease 1h --quota 10GiB",
  ],
  async run({ options, json, print, note }) {
    const reply = await withController(options.controller, (it) => it.createJob(createRequest(options)));
    if (json) return print(JSON.stringify(reply));
    const { job, name, code, leaseMs, graceMs } = reply.job;
    const { readyInMs } = reply;
    note(
      `Job ${job} ${JSON.stringify(name)} began, stored as ${formatCode(code)}. It ends when nothing used it for ` +
        `${formatDuration(leaseMs + graceMs)}, or with: mayfly job end ${job}`,
    );
    if (readyInMs > 0) {
      note(
        `The fleet grows for it: there should be room for all that it hints in ${formatDuration(readyInMs)}.`,
      );
    }
    print(`export MAYFLY_TICKET=${reply.ticket}`);
  },
});

/** Only what was given: the controller knows the defaults. */
function createRequest(options: OptionValues<typeof createOptions>): CreateJobRequest {
  const hints: JobHints = {
    ...(options.bytes !== undefined && { bytes: options.bytes }),
    ...(options.rate !== undefined && { bytesPerSecond: options.rate }),
    ...(options.functions !== undefined && { functions: options.functions }),
    ...(options.prefer !== undefined && { prefer: options.prefer }),
  };
  return {
    ...(options.name !== undefined && { name: options.name }),
    ...(options.code !== undefined && { code: options.code }),
    ...(options.lease !== undefined && { leaseMs: options.lease }),
    ...(options.grace !== undefined && { graceMs: options.grace }),
    ...(options.quota !== undefined && { quotaBytes: options.quota }),
    ...(options["token-ttl"] !== undefined && { tokenTtlMs: options["token-ttl"] }),
    ...(Object.keys(hints).length > 0 && { hints }),
  };
}

export const jobLsVerb = defineVerb({
  name: "job ls",
  summary: "list jobs",
  usage: "",
  options: { controller: controllerOption, all: flag("also those that ended a while ago", "a") },
  examples: ["mayfly job ls", "mayfly job ls --json | jq '.[].name'"],
  async run({ options, json, print, note }) {
    const known = await withController(options.controller, (controller) => controller.jobs());
    const jobs = options.all ? known : known.filter((job) => job.state !== "ended");
    if (json) return print(JSON.stringify(jobs));
    if (jobs.length === 0) return note("no jobs; begin one: mayfly job create");
    for (const line of jobTable(jobs)) print(line);
  },
});

export const jobTicketVerb = defineVerb({
  name: "job ticket",
  summary: "print a new ticket of a job",
  usage: "JOB",
  options: { controller: controllerOption },
  examples: ['eval "$(mayfly job ticket 3)"'],
  async run({ options, positionals, json, print }) {
    const job = parseJob(positionals[0]!, "JOB");
    const reply = await withController(options.controller, (controller) => controller.newTicket(job));
    print(json ? JSON.stringify(reply) : `export MAYFLY_TICKET=${reply.ticket}`);
  },
});

export const jobExtendVerb = defineVerb({
  name: "job extend",
  summary: "renew the lease of a job",
  usage: "JOB",
  options: { controller: controllerOption },
  examples: ["mayfly job extend 3"],
  async run({ options, positionals, json, print, note }) {
    const job = parseJob(positionals[0]!, "JOB");
    const info = await withController(options.controller, (controller) => controller.extendJob(job));
    if (json) return print(JSON.stringify(info));
    note(`Job ${job} is leased for another ${formatDuration(info.leaseLeftMs)}.`);
  },
});

export const jobEndVerb = defineVerb({
  name: "job end",
  summary: "end a job and free all its data",
  usage: "JOB",
  options: {
    controller: controllerOption,
    persist: option({
      value: "PREFIX",
      help: 'first make the keys that begin with it durable; "" for all keys',
      parse: parseText,
    }),
    timeout: timeoutOption,
  },
  examples: ["mayfly job end 3", "mayfly job end 3 --persist results/ --timeout 10m"],
  async run({ options, positionals, json, print, note }) {
    const job = parseJob(positionals[0]!, "JOB");
    const { persist, timeout } = options;
    const persisted = await withController(options.controller, async (controller) => {
      const done =
        persist === undefined
          ? undefined
          : await persistKeys((await controller.newTicket(job)).ticket, persist, timeout);
      await controller.endJob(job);
      return done;
    });
    if (json) return print(JSON.stringify({ job, state: "ended", ...(persisted && { persisted }) }));
    if (persisted !== undefined) {
      const { objects, bytes, already, skipped, from } = persisted;
      const left = skipped > 0 ? `; ${skipped} counters and collections are not durable` : "";
      note(
        `${objects} keys (${formatBytes(bytes)}) were made durable, ${already} were before${left}. ` +
          `To have them in another job: job.import(${JSON.stringify(from ?? "")})`,
      );
    }
    note(`Job ${job} has ended; its data in memory are freed.`);
  },
});

function persistKeys(ticket: string, prefix: string, timeoutMs: number | undefined): Promise<PersistResult> {
  return withJob(ticket, (job) => job.persist(prefix, timeoutMs === undefined ? {} : { timeoutMs }));
}
