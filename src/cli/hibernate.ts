/** `mayfly hibernate` and `mayfly wake`: a fleet that nobody uses sleeps in its object store, and wakes. */
import { MayflyError } from "../errors.ts";
import type { HibernationProgress } from "../wire/hibernation-api.ts";
import { controllerOption, withController } from "./fleet-access.ts";
import { follow } from "./follow.ts";
import { type Option, option } from "./option.ts";
import { formatBytes, parseDurationMs } from "./sizes.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

const secondMs = 1000;

/** Of `mayfly controller` and `mayfly dev`. */
export const hibernateAfterOption: Option<number | undefined> = option({
  value: "DURATION",
  help: "sleep in the object store when no job was used for so long, like 10m; the first request wakes the fleet",
  parse: parseHibernateAfter,
});

export function parseHibernateAfter(text: string, what: string): number {
  const ms = parseDurationMs(text, what);
  if (ms >= secondMs) return ms;
  throw new UsageError(`${what} is ${text}; a fleet has to be idle for at least 1s before it sleeps`);
}

export const hibernateVerb = defineVerb({
  name: "hibernate",
  summary: "put the fleet to sleep: everything alive to the object store, nodes gone",
  usage: "",
  description:
    "Waits until nobody uses the fleet, moves objects that are in memory only to the object store, writes the cells there, " +
    "and lets the nodes go. Nothing is lost: the first request wakes the fleet (or: mayfly wake). Whoever uses it before " +
    "keeps it awake. It goes on without this command, too.",
  options: { controller: controllerOption },
  examples: ["mayfly hibernate", "mayfly hibernate --json"],
  async run({ options, json, stderr, clock, print, note }) {
    const last = await withController(options.controller, async (controller) => {
      const first = await controller.hibernate();
      const poll = () => controller.hibernationProgress();
      return follow({
        stream: stderr,
        clock,
        enabled: !json,
        first,
        poll,
        describe: describeHibernation,
        isDone,
      });
    });
    if (json) print(JSON.stringify(last));
    else
      note(`The fleet sleeps: ${formatBytes(last.storedBytes)} of cells are stored, and there are no nodes.`);
  },
});

export const wakeVerb = defineVerb({
  name: "wake",
  summary: "wake a fleet that sleeps",
  usage: "",
  description:
    "Starts as many nodes as the fleet had, which fetch its cells from the object store; where nodes are started by hand, " +
    "start them whenever this asks for it. Any request of a function wakes the fleet, too.",
  options: { controller: controllerOption },
  examples: ["mayfly wake"],
  async run({ options, json, stderr, clock, print, note }) {
    const last = await withController(options.controller, async (controller) => {
      const first = await controller.wake();
      const poll = () => controller.hibernationProgress();
      const isAwake = ({ stage }: HibernationProgress): boolean => stage === "awake";
      const describe = describeHibernation;
      return follow({ stream: stderr, clock, enabled: !json, first, poll, describe, isDone: isAwake });
    });
    if (json) print(JSON.stringify(last));
    else note(`The fleet is awake, with ${last.nodes} node${last.nodes === 1 ? "" : "s"}.`);
  },
});

function isDone({ stage, reasons }: HibernationProgress): boolean {
  if (stage !== "awake") return stage === "asleep";
  throw new MayflyError("UNAVAILABLE", `The fleet stays awake: ${reasons.join("; ") || "somebody woke it"}.`);
}

/** One line. */
export function describeHibernation(progress: HibernationProgress): string {
  const { stage, nodes, nodesStored, nodesWanted, storedBytes, reasons } = progress;
  const why = reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
  switch (stage) {
    case "awake":
      return `awake${why === "" ? "" : `; it did not sleep${why}`}`;
    case "spilling":
      return `about to sleep${why}`;
    case "storing":
      return `storing cells, ${nodesStored} of ${nodes} nodes are done`;
    case "asleep":
      return `asleep, ${formatBytes(storedBytes)} of cells are stored; it wakes with ${nodesWanted} nodes${why}`;
    case "waking":
      return `waking, ${nodes} of ${nodesWanted} nodes${why}`;
  }
}
