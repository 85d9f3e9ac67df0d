/** `mayfly replay`: makes the logged decisions of the autoscaler again, also with another policy. */
import type { ReplayedDecision, ReplaySummary } from "../controller/autoscale/replay-decisions.ts";
import type { ScaleDecision } from "../controller/autoscale/scale-inventory.ts";
import { type ScalePolicy, scalePolicy, scalePolicyKeys } from "../controller/autoscale/scale-policy.ts";
import { MayflyError } from "../errors.ts";
import { closestWord } from "./closest-word.ts";
import { openInput } from "./input-file.ts";
import { flag, option } from "./option.ts";
import { formatDuration } from "./sizes.ts";
import { type Column, formatTable, printable } from "./table.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

type PolicyChanges = Partial<ScalePolicy>;

const columns: readonly Column[] = [
  { title: "LINE", align: "right" },
  { title: "AT", align: "right" },
  { title: "RECORDED" },
  { title: "NOW" },
  { title: "DIFFERENCES" },
];

export const replayVerb = defineVerb({
  name: "replay",
  summary: "make logged decisions of the autoscaler again, or with another policy",
  usage: "LOG",
  description:
    "Shows what was decided, and what is decided now from what each line says the planner was given. With the policy of the " +
    "log all must be the same: one that is not, or a line that was changed, ends with exit code 1. Decisions to hold that are " +
    "the same are left out unless --all is given.\n\n" +
    "With --policy it shows what another policy would have decided at each moment for the fleet as it was: that fleet has " +
    "not what this policy would have started, so that targets count, and not their sum. Numbers of a policy, all in ms, " +
    `bytes or shares: ${scalePolicyKeys.join(", ")}.\n\n` +
    "With --json each decision is a line, and the last line is the summary.",
  options: {
    policy: option({
      value: "KEY=VALUE,...",
      help: "numbers to change in the policy of the log",
      parse: parsePolicy,
    }),
    all: flag("decisions to hold too", "a"),
    reasons: flag("the reasons of each decision, as of now"),
  },
  examples: [
    "mayfly replay decisions.jsonl",
    "mayfly replay decisions.jsonl --policy bandHigh=0.7,bandTarget=0.65 --reasons",
    "mayfly replay decisions.jsonl --all --json | jq 'select(.same == false)'",
  ],
  async run({ options, positionals, json, print, note }) {
    const [path = ""] = positionals;
    const shown: ReplayedDecision[] = [];
    const show = (each: ReplayedDecision): void => {
      const held = each.recorded.kind === "hold" && each.decided.kind === "hold";
      if (held && each.same && each.intact && !options.all) return;
      if (json) print(JSON.stringify(each));
      else shown.push(each);
    };
    const summary = await replayFile(path, options.policy, show);
    if (json) print(JSON.stringify({ summary }));
    else if (shown.length > 0) for (const line of describe(shown, options.reasons)) print(line);
    note(summaryText(summary, options.policy !== undefined));
    const wrong = summary.damaged > 0 || (options.policy === undefined && summary.different > 0);
    if (wrong) throw notTheSame(path, summary);
  },
});

/** "bandHigh=0.7,nodesMax=50" */
export function parsePolicy(text: string, what: string): PolicyChanges {
  const changes: Partial<Record<keyof ScalePolicy, number>> = {};
  for (const part of text.split(",")) {
    const [name = "", value = "", ...rest] = part.split("=").map((word) => word.trim());
    const key = scalePolicyKeys.find((known) => known === name);
    if (key === undefined) {
      const meant = closestWord(name, scalePolicyKeys);
      const hint = meant === undefined ? `there are ${scalePolicyKeys.join(", ")}` : `did you mean ${meant}`;
      throw new UsageError(`${what} names ${JSON.stringify(name)}, which no policy has; ${hint}`);
    }
    if (rest.length > 0 || !/^\d{1,16}(?:\.\d{1,9})?(?:e\d{1,2})?$/.test(value)) {
      throw new UsageError(`${what} gives ${name} the value ${JSON.stringify(value)}; write ${name}=NUMBER`);
    }
    changes[key] = Number(value);
  }
  return changes;
}

/** Reads the file once, however long it is. */
async function replayFile(
  path: string,
  changes: PolicyChanges | undefined,
  show: (replayed: ReplayedDecision) => void,
): Promise<ReplaySummary> {
  // The log's form is checked with a package that help has no use for.
  const { checkRead, createDecisionLogReader, lineCharactersMax } = await import(
    "../controller/autoscale/decision-log.ts"
  );
  const { createReplayer, createSumming } = await import("../controller/autoscale/replay-decisions.ts");
  const file = await openInput(path);
  const reader = createDecisionLogReader();
  const summing = createSumming();
  let replayer: ReturnType<typeof createReplayer> | undefined;
  for await (const line of linesOf(file.read(), lineCharactersMax)) {
    const logged = reader.read(line);
    if (logged === undefined) continue;
    const policy = checkRead(reader);
    replayer ??= createReplayer(policy, changes && scalePolicy(changes, policy));
    const replayed = replayer.replay(logged);
    summing.add(replayed);
    show(replayed);
  }
  const policy = checkRead(reader);
  if (changes !== undefined) scalePolicy(changes, policy);
  return summing.summary();
}

/** Lines without their ends. One that never ends is handed over when it is too long for any log, which then says so. */
async function* linesOf(pieces: AsyncIterable<Uint8Array>, charactersMax: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    if (rest.length > charactersMax) yield rest;
  }
  yield rest + decoder.decode();
}

function describe(shown: readonly ReplayedDecision[], withReasons: boolean): string[] {
  const beganMs = shown[0]?.atMs ?? 0;
  const [title = "", ...rows] = formatTable(
    columns,
    shown.map((each) => [
      String(each.line),
      formatDuration(Math.max(0, each.atMs - beganMs)),
      decisionText(each.recorded),
      decisionText(each.decided),
      printable(differenceText(each)),
    ]),
  );
  const reasonsOf = (at: number): string[] =>
    withReasons ? shown[at]!.reasons.map((reason) => `      ${printable(reason)}`) : [];
  return [title, ...rows.flatMap((row, at) => [row, ...reasonsOf(at)])];
}

function decisionText({ kind, target, start, keep, drain }: ScaleDecision): string {
  const parts = [
    ...(start > 0 ? [`start ${start}`] : []),
    ...(keep.length > 0 ? [`keep ${keep.length}`] : []),
    ...(drain.length > 0 ? [`drain ${drain.length}`] : []),
  ];
  return `${kind} at ${target}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

const differenceLengthMax = 100;

function differenceText({ intact, differences }: ReplayedDecision): string {
  const text = [...(intact ? [] : ["the line was changed"]), ...differences].join("; ");
  return text.length > differenceLengthMax ? `${text.slice(0, differenceLengthMax)}...` : text;
}

function summaryText(summary: ReplaySummary, whatIf: boolean): string {
  const { decisions, same, different, recordedNodesMean, decidedNodesMean } = summary;
  const counts = `${decisions} decisions: ${same} the same, ${different} different`;
  if (!whatIf) return counts;
  return `${counts}; nodes aimed at on average ${recordedNodesMean.toFixed(1)}, with this policy ${decidedNodesMean.toFixed(1)}`;
}

function notTheSame(path: string, { different, damaged }: ReplaySummary): MayflyError {
  const parts = [
    ...(damaged > 0 ? [`${damaged} lines of it were changed after they were written`] : []),
    ...(different > 0 ? [`${different} decisions are made differently now`] : []),
  ];
  return new MayflyError(
    "INPUT_INVALID",
    `${path} does not replay: ${parts.join(", ")}; use the log as it was written and the Mayfly that wrote it`,
  );
}
