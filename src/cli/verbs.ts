/** All verbs, in the order of help. Each module is imported only when its verb is used, so that `put` starts fast. */
import type { Verb } from "./verb.ts";

const loaders: Readonly<Record<string, () => Promise<Verb>>> = {
  dev: async () => (await import("./dev.ts")).devVerb,
  controller: async () => (await import("./controller.ts")).controllerVerb,
  node: async () => (await import("./node.ts")).nodeVerb,
  status: async () => (await import("./status.ts")).statusVerb,
  scale: async () => (await import("./scale.ts")).scaleVerb,
  drain: async () => (await import("./drain.ts")).drainVerb,
  restart: async () => (await import("./restart.ts")).restartVerb,
  hibernate: async () => (await import("./hibernate.ts")).hibernateVerb,
  wake: async () => (await import("./hibernate.ts")).wakeVerb,
  "job create": async () => (await import("./job.ts")).jobCreateVerb,
  "job ls": async () => (await import("./job.ts")).jobLsVerb,
  "job ticket": async () => (await import("./job.ts")).jobTicketVerb,
  "job extend": async () => (await import("./job.ts")).jobExtendVerb,
  "job end": async () => (await import("./job.ts")).jobEndVerb,
  put: async () => (await import("./put.ts")).putVerb,
  get: async () => (await import("./get.ts")).getVerb,
  ls: async () => (await import("./ls.ts")).lsVerb,
  rm: async () => (await import("./rm.ts")).rmVerb,
  "spill ls": async () => (await import("./spill.ts")).spillLsVerb,
  "spill rm": async () => (await import("./spill.ts")).spillRmVerb,
  "spill verify": async () => (await import("./spill.ts")).spillVerifyVerb,
  sort: async () => (await import("./sort.ts")).sortVerb,
  replay: async () => (await import("./replay.ts")).replayVerb,
  bench: async () => (await import("./bench.ts")).benchVerb,
};

export const verbNames: readonly string[] = Object.keys(loaders);

export interface FoundVerb {
  readonly name: string;
  load(): Promise<Verb>;
  /** What follows the verb's name. */
  readonly args: readonly string[];
}

/** The verb that the words begin with; names of two words come first. Undefined when there is none. */
export function findVerb(words: readonly string[]): FoundVerb | undefined {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(" ");
    const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
    if (load !== undefined) return { name, load, args: words.slice(length) };
  }
  return undefined;
}

/** The names that begin with `word` and have another: "job" -> "job create", ... */
export function verbsOfGroup(word: string): readonly string[] {
  return verbNames.filter((name) => name.startsWith(`${word} `));
}

/** @param names from `verbNames` */
export function loadVerbs(names: readonly string[]): Promise<Verb[]> {
  return Promise.all(names.map((name) => loaders[name]!()));
}
