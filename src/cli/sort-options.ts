/** What `mayfly sort` takes. */
import { parseCode } from "../placement/code.ts";
import type { SortInput } from "../sort/sort-events.ts";
import { flag, option, parseCount, parseShare, parseText } from "./option.ts";
import { parseBytes } from "./sizes.ts";
import { UsageError } from "./usage-error.ts";
import type { OptionValues } from "./verb.ts";

export const recordBytes = 100;
export const nodesDefault = 6;

export const options = {
  input: option({ value: "FILE", help: "sort the records of this file", parse: parseText, short: "i" }),
  generate: option({
    value: "SIZE",
    help: "sort so many bytes of the sort benchmark's records, made inside the mappers",
    parse: parseBytes,
    short: "g",
  }),
  ascii: flag("generate printable records"),
  skew: flag("generate skewed keys: half of the records crowd on few prefixes"),
  output: option({
    value: "FILE",
    help: "write the sorted records there; without it they are validated and discarded",
    parse: parseText,
    short: "o",
  }),
  workers: option({
    value: "COUNT",
    help: "function processes at a time",
    parse: parseCount(1, 256),
    short: "w",
    defaultNote: "one a core",
  }),
  nodes: option({
    value: "COUNT",
    help: "nodes of the fleet that is started for the sort",
    parse: parseCount(1, 64),
    short: "n",
    defaultNote: String(nodesDefault),
  }),
  code: option({
    value: "D+P",
    help: "data and parity shards of a stripe",
    parse: (text) => parseCode(text),
    defaultNote: "4+2, less with fewer than 6 nodes",
  }),
  maps: option({
    value: "COUNT",
    help: "map functions",
    parse: parseCount(1, 65_536),
    defaultNote: "by size",
  }),
  partitions: option({
    value: "COUNT",
    help: "partitions, one reduce function each",
    parse: parseCount(1, 4096),
    defaultNote: "by size",
  }),
  memory: option({
    value: "SIZE",
    help: "what nodes, functions and the controller may take together",
    parse: parseBytes,
    defaultNote: "5/6 of the machine's, and no more than is free",
  }),
  waves: option({
    value: "COUNT",
    help: "ranges of keys that are sorted one after another",
    parse: parseCount(1, 4096),
    defaultNote: "what is expected to end first",
  }),
  spill: option({
    value: "URL",
    help: "where a wave goes that does not fit the memory: file:///DIR or s3://BUCKET/PREFIX",
    parse: parseText,
  }),
  "fleet-memory": option({
    value: "SIZE",
    help: "memory of all nodes together",
    parse: parseBytes,
    defaultNote: "what the data need",
  }),
  "function-memory": option({
    value: "SIZE",
    help: "the most memory a function's kernels may take",
    parse: parseBytes,
    defaultNote: "4GiB",
  }),
  "fail-rate": option({
    value: "SHARE",
    help: "end that share of function runs at a random point, for tests",
    parse: parseShare,
    defaultNote: "0",
  }),
  speculate: flag("run a second attempt of functions that take much longer than others"),
  seed: option({
    value: "NUMBER",
    help: "of what is drawn: keys for the split points, and which runs of functions are ended when",
    parse: parseCount(0, 2 ** 32 - 1),
    defaultNote: "random",
  }),
  "kill-node": flag("kill -9 one node between map and reduce: parity replaces what it held"),
  controller: option({
    value: "URL",
    help: "sort on this fleet instead of starting one",
    parse: parseText,
    short: "c",
  }),
  state: option({
    value: "DIR",
    help: "keep account of what is done in this folder, so that --resume can go on after a kill",
    parse: parseText,
  }),
  resume: option({
    value: "DIR",
    help: "go on with the sort that was begun with --state DIR",
    parse: parseText,
  }),
  "dry-run": flag("print the plan: waves, memory, spill, time, disk and requests; start nothing"),
  explain: flag("say how it would be done, why, and what it is expected to take; sort nothing"),
  verbose: flag("tell of the controller's decisions", "v"),
};

export type SortOptions = OptionValues<typeof options>;

/** Of a resumed sort everything else is as it was when it was begun. */
const ofResumed = new Set(["resume", "workers", "verbose", "fail-rate", "speculate", "seed", "dry-run"]);

export function checkOptions(given: SortOptions): void {
  if (given.resume !== undefined) {
    const others = Object.entries(given).filter(
      ([name, value]) => !ofResumed.has(name) && name in options && value !== undefined && value !== false,
    );
    if (others.length === 0) return;
    const names = others.map(([name]) => `--${name}`).join(", ");
    throw new UsageError(
      `${names} cannot be given with --resume: the folder says what is sorted, and how; only --workers can be another`,
    );
  }
  if ((given.input === undefined) === (given.generate === undefined)) {
    throw new UsageError(
      "say what to sort: either --input FILE or --generate SIZE, for example --generate 1GB",
    );
  }
  if (given.input !== undefined && (given.ascii || given.skew)) {
    throw new UsageError("--ascii and --skew are about generated records; they do not go with --input");
  }
  if (given.controller !== undefined && (given["kill-node"] || given.nodes !== undefined)) {
    throw new UsageError(
      "--nodes and --kill-node are about a fleet started here; they do not go with --controller",
    );
  }
  if (given.controller !== undefined && (given.memory !== undefined || given.spill !== undefined)) {
    throw new UsageError(
      "--memory and --spill are about a fleet started here; they do not go with --controller",
    );
  }
  if (given.spill !== undefined && !/^(?:file:\/\/\/|s3:\/\/[^/])/.test(given.spill)) {
    throw new UsageError(`--spill is ${given.spill}; it takes file:///DIR or s3://BUCKET/PREFIX`);
  }
  if (given.generate !== undefined && given.generate % recordBytes !== 0) {
    throw new UsageError(
      `--generate ${given.generate} bytes: it must be a multiple of ${recordBytes}, whole records`,
    );
  }
}

export async function inputOf(given: SortOptions): Promise<{ input: SortInput; records: number }> {
  const { recordsOfFile } = await import("../sort/sort-input.ts");
  if (given.input !== undefined) {
    const { resolve } = await import("node:path");
    const file = resolve(given.input);
    return { input: { file }, records: await recordsOfFile(file) };
  }
  const { ascii, skew } = given;
  return { input: { generate: { ascii, skew } }, records: (given.generate ?? 0) / recordBytes };
}
