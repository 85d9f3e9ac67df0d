import { expect, test } from "vitest";
import { parseDecisionLog } from "../../../src/controller/autoscale/decision-log.ts";
import { createSumming, replay } from "../../../src/controller/autoscale/replay-decisions.ts";
import { scalePolicy } from "../../../src/controller/autoscale/scale-policy.ts";
import { sampleLog } from "./sample-log.ts";

test("a log replays exactly, every line of it", () => {
  const log = parseDecisionLog(sampleLog());
  const replayed = replay(log);
  expect(replayed.length).toBeGreaterThan(50);
  expect(new Set(replayed.map(({ recorded }) => recorded.kind))).toEqual(new Set(["grow", "shrink", "hold"]));
  for (const [at, each] of replayed.entries()) {
    expect(each).toMatchObject({ same: true, intact: true, differences: [] });
    expect(each.reasons).toEqual(log.decisions[at]!.record.reasons);
  }
});

test("each line replays alone: a log may leave lines out", () => {
  const lines = sampleLog().trimEnd().split("\n");
  const some = [lines[0], ...lines.slice(1).filter((_, at) => at % 7 === 3)].join("\n");
  expect(replay(parseDecisionLog(some)).every(({ same }) => same)).toBe(true);
});

test("a line that was changed is found, and so is a decision that was", () => {
  const lines = sampleLog().trimEnd().split("\n");
  const at = lines.findIndex((line) => line.includes('"kind":"grow"'));
  const target = /"target":(\d+)/.exec(lines[at]!)![1]!;
  const tampered = lines.with(at, lines[at]!.replace(`"target":${target}`, `"target":${Number(target) + 1}`));
  const replayed = replay(parseDecisionLog(tampered.join("\n")));
  const wrong = replayed.filter(({ same, intact }) => !same || !intact);
  expect(wrong).toMatchObject([
    {
      line: at + 1,
      same: false,
      intact: false,
      differences: [`target: ${Number(target) + 1}, now ${target}`],
    },
  ]);
  // A change that leads to the same decision is found as well.
  const reason = lines.with(at, lines[at]!.replace('"reasons":["memory', '"reasons":["nothing'));
  expect(replay(parseDecisionLog(reason.join("\n")))[at - 1]).toMatchObject({ same: true, intact: false });
});

test("another policy decides otherwise, and the sums say by how many nodes", () => {
  const log = parseDecisionLog(sampleLog());
  const summing = createSumming();
  for (const each of replay(log, scalePolicy({ nodesMax: 8 }, log.policy))) summing.add(each);
  const summary = summing.summary();
  expect(summary.different).toBeGreaterThan(0);
  expect(summary.decidedNodesMean).toBeLessThan(summary.recordedNodesMean);
  expect(summary.same + summary.different).toBe(summary.decisions);
});

const [header = "", line = ""] = sampleLog().split("\n");

test.each([
  ["nothing", "", "not even its header is there"],
  ["no JSON", `${header}\n${line.slice(0, 100)}`, "line 2 of the decision log is no JSON"],
  ["no header", line, "line 1 of the decision log is no header of a decision log: "],
  ["another format", header.replace("mayfly-decisions", "x"), 'line 1 of the decision log says format "x"'],
  [
    "another version",
    header.replace('"version":1', '"version":2'),
    "says version 2, and this Mayfly reads 1",
  ],
  [
    "no policy",
    header.replace('"nodesMin":3', '"nodesMin":-3'),
    "line 1 of the decision log has no such policy",
  ],
  ["half a decision", `${header}\n\n{"atMs":1}`, "line 3 of the decision log is no decision: "],
  [
    "a node of no state",
    `${header}\n${line.replace('"active"', '"asleep"')}`,
    "line 2 of the decision log is no decision",
  ],
])("%s: the error names the line", (_, text, message) => {
  expect(() => parseDecisionLog(text)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  expect(() => parseDecisionLog(text)).toThrow(message);
});
