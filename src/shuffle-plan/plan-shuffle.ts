/** Decides how a shuffle is done when it may not fit the fleet's memory, and only decides: no I/O, no clock. */
import { MayflyError } from "../errors.ts";
import { formatCode } from "../placement/code.ts";
import { countText, dollarsText, secondsText, sizeText } from "./figure-text.ts";
import { factsOf, type ShuffleFacts, type ShufflePlanInput } from "./plan-input.ts";
import {
  estimateMemory,
  estimateS3,
  estimateS3Rounds,
  estimateWaves,
  type ShuffleStrategy,
  type StrategyEstimate,
} from "./strategies.ts";

/** Which maps write, and which partitions are kept and read, before the next pass begins. */
export interface ShufflePass {
  readonly firstMap: number;
  readonly maps: number;
  readonly firstPartition: number;
  readonly partitions: number;
}

/** A plain object: it can be sent as JSON. */
export interface ShufflePlan {
  readonly strategy: ShuffleStrategy;
  /** The figures of the strategy. */
  readonly estimate: StrategyEstimate;
  /** One after another: waves have all maps and a range of the partitions, rounds a range of the maps and all partitions. */
  readonly passes: readonly ShufflePass[];
  /** All strategies, that of the plan among them, in the order of `ShuffleStrategy`. */
  readonly alternatives: readonly StrategyEstimate[];
  /** Sentences, with the figures that decided. */
  readonly reasons: readonly string[];
}

/** What is so close to the best is as good, and the other figure decides. */
const tieFactor = 1.05;
const figuresOf = { time: ["seconds", "dollars"], cost: ["dollars", "seconds"] } as const;

/**
 * The plan for one shuffle: the fastest, or cheapest, of `memory`, `waves` and `s3-rounds` that is feasible; `s3` when none of them
 * is.
 * @throws MayflyError INVALID_ARGUMENT for impossible input, NOT_ENOUGH_NODES when the code needs more, OUT_OF_MEMORY when nothing
 * is feasible: it says what would help
 */
export function planShuffle(input: ShufflePlanInput): ShufflePlan {
  const facts = factsOf(input);
  const plain = estimateS3(facts);
  const own = [estimateMemory(facts), estimateWaves(facts), estimateS3Rounds(facts)];
  const feasible = own.filter((each) => each.feasible);
  if (feasible.length === 0 && !plain.feasible) throw outOfMemory(facts);
  const chosen = feasible.length === 0 ? plain : bestOf(feasible, facts.prefer);
  const alternatives = [...own, plain];
  return {
    strategy: chosen.strategy,
    estimate: chosen,
    passes: passesOf(chosen, facts),
    alternatives,
    reasons: reasonsOf(chosen, alternatives, facts),
  };
}

/** What a fleet must have for a shuffle: in one pass, and at least, in as many waves as there can be. */
export function fleetMemoryFor(input: Omit<ShufflePlanInput, "memoryBytes">): {
  readonly onePass: number;
  readonly least: number;
} {
  const facts = factsOf({ ...input, memoryBytes: 0 });
  const [memory, waves] = [estimateMemory(facts), estimateWaves(facts)];
  return { onePass: memory.memoryBytes, least: Math.min(memory.memoryBytes, waves.memoryBytes) };
}

/** The first of those that are best in both: one pass before several, and without S3 before with it. */
function bestOf(feasible: readonly StrategyEstimate[], prefer: "time" | "cost"): StrategyEstimate {
  const [figure, other] = figuresOf[prefer];
  const least = Math.min(...feasible.map((each) => each[figure]));
  const close = feasible.filter((each) => each[figure] <= least * tieFactor);
  return close.reduce((best, each) => (each[other] < best[other] ? each : best));
}

function passesOf({ strategy, passes }: StrategyEstimate, { maps, partitions }: ShuffleFacts): ShufflePass[] {
  const first = (pieces: number, pass: number): number => Math.floor((pass * pieces) / passes);
  return Array.from({ length: passes }, (_, pass) => {
    const [firstMap, endMap] =
      strategy === "s3-rounds" ? [first(maps, pass), first(maps, pass + 1)] : [0, maps];
    const [firstPartition, endPartition] =
      strategy === "waves" ? [first(partitions, pass), first(partitions, pass + 1)] : [0, partitions];
    return { firstMap, maps: endMap - firstMap, firstPartition, partitions: endPartition - firstPartition };
  });
}

function reasonsOf(
  chosen: StrategyEstimate,
  alternatives: readonly StrategyEstimate[],
  facts: ShuffleFacts,
): string[] {
  const lines = [`${whatOf(facts)}.`, `${chosen.strategy}: ${chosen.reason}`];
  const others = alternatives.filter((each) => each !== chosen && each.strategy !== "s3");
  const [rivals, impossible] = [
    others.filter((each) => each.feasible),
    others.filter((each) => !each.feasible),
  ];
  for (const each of impossible) lines.push(`${each.strategy}: not possible, ${each.reason}`);
  for (const each of rivals) lines.push(`${each.strategy}: ${comparison(each, chosen, facts)}`);
  if (chosen.strategy === "s3-rounds") {
    const { s3Puts, s3Gets } = chosen.requests;
    const plain = countText(facts.maps * facts.partitions, "GET");
    lines.push(
      `s3-rounds: ${countText(s3Puts, "PUT")} and ${countText(s3Gets, "GET")}; S3 alone takes ${plain}.`,
    );
  }
  const plain = alternatives.find(({ strategy }) => strategy === "s3");
  if (plain !== undefined && plain !== chosen && plain.feasible && plain.seconds < chosen.seconds) {
    const saved = `${secondsText(plain.seconds)} for ${dollarsText(plain.dollars)}`;
    lines.push(`s3: ${saved}; it is taken only when nothing else is possible.`);
  }
  return lines;
}

function whatOf({ bytes, maps, partitions, code, nodes, memoryBytes }: ShuffleFacts): string {
  const shuffle = `${sizeText(bytes)} from ${countText(maps, "map")} to ${countText(partitions, "partition")}`;
  const fleet = `${sizeText(memoryBytes)} of ${countText(nodes, "node")}`;
  return `${shuffle} with code ${formatCode(code)} in ${fleet}`;
}

/** Why not this one, which is possible, too. */
function comparison(each: StrategyEstimate, chosen: StrategyEstimate, { prefer }: ShuffleFacts): string {
  const [figure] = figuresOf[prefer];
  const figures = ({ seconds, dollars }: StrategyEstimate): string =>
    `${secondsText(seconds)} for ${dollarsText(dollars)}`;
  const isClose = each[figure] <= chosen[figure] * tieFactor;
  const [word, closeWords] =
    prefer === "time"
      ? ["possible, but slower", "as fast within 5 %, and no cheaper"]
      : ["possible, but dearer", "as cheap within 5 %, and no faster"];
  return `${isClose ? closeWords : word}: ${figures(each)}, not ${figures(chosen)}.`;
}

function outOfMemory(facts: ShuffleFacts): MayflyError {
  const memory = estimateMemory(facts);
  const waves = estimateWaves({ ...facts, canRereadInput: true });
  const rounds = estimateS3Rounds({ ...facts, hasBucket: true });
  const advice: string[] = [];
  // Whole MiB of whole steps of a node: what it says fits exactly.
  if (estimateMemory({ ...facts, memoryBytes: memory.memoryBytes }).feasible) {
    advice.push(`let it use ${memory.memoryBytes / 2 ** 20} MiB to do it in one pass`);
  } else advice.push(memory.reason.slice(0, -1));
  if (waves.feasible && !facts.canRereadInput)
    advice.push(`give it an input that can be read again: ${countText(waves.passes, "wave")} would fit`);
  const through = rounds.feasible
    ? `${countText(rounds.passes, "round")} through S3 would fit`
    : "S3 alone would do";
  advice.push(`or configure a bucket: ${through}`);
  const message = `There is no way to shuffle ${whatOf(facts)}: ${advice.join("; ")}.`;
  return new MayflyError("OUT_OF_MEMORY", message);
}
