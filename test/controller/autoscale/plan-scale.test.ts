import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planScale } from "../../../src/controller/autoscale/plan-scale.ts";
import { emptyScaleState, type ScaleState } from "../../../src/controller/autoscale/scale-inventory.ts";
import { createScaler } from "../../../src/controller/autoscale/scaler.ts";
import { nodesNeededByCodes } from "../../../src/controller/autoscale/weigh-signals.ts";
import { gibibyte, inventory, job, node, nodes, samplePolicy } from "./sample-fleet.ts";

const policy = samplePolicy();
const first = (...given: Parameters<typeof inventory>) =>
  planScale(inventory(...given), emptyScaleState, policy);

describe("growth", () => {
  test("a hint gives capacity before the first byte, by as many nodes as it takes at once", () => {
    // 100 GiB at 4+2 are 150 GiB, and 20 nodes hold them at 75 %.
    const { decision, reasons } = first(0, nodes(3), [job(1, { bytes: 100 * gibibyte })]);
    expect(decision).toEqual({ kind: "grow", target: 20, start: 17, keep: [], drain: [] });
    expect(reasons.join("\n")).toContain("1 jobs reserve 150 GiB");
    expect(reasons.join("\n")).toContain("17 nodes are started");
  });

  test("what starts already counts: the same need orders nothing twice", () => {
    const scaler = createScaler(policy);
    const jobs = [job(1, { bytes: 100 * gibibyte })];
    const { decision } = scaler.plan(inventory(0, nodes(3), jobs));
    const starting = Array.from({ length: decision.start }, (_, at) => node(`s${at}`, { state: "starting" }));
    for (let nowMs = 5000; nowMs <= 30_000; nowMs += 5000) {
      const again = scaler.plan(inventory(nowMs, [...nodes(3), ...starting], jobs));
      expect(again.decision.start).toBe(0);
    }
  });

  test("a start that is long overdue counts as none", () => {
    const starting = nodes(20, { state: "starting", startedAtMs: 0 });
    const { decision, reasons } = first(
      200_000,
      [...nodes(3), ...starting.map((each) => ({ ...each, id: `s${each.id}` }))],
      [job(1, { bytes: 100 * gibibyte }, { registeredAtMs: 200_000 })],
    );
    expect(decision.start).toBe(17);
    expect(reasons.join("\n")).toContain("overdue: ");
  });

  test("the trend of a job that hinted nothing is seen before it is there", () => {
    const scaler = createScaler(policy);
    const at = (seconds: number) => {
      // 1 GiB a second over 10 nodes of 10 GiB.
      const usedBytes = seconds * gibibyte;
      const of = nodes(10, { usedBytes: usedBytes / 10 });
      return scaler.plan(inventory(seconds * 1000, of, [job(1, {}, { usedBytes })])).decision;
    };
    for (let seconds = 0; seconds <= 25; seconds += 5) at(seconds);
    const { kind, target } = at(50);
    expect(kind).toBe("grow");
    // In 35 s it will have 85 GiB.
    expect(target).toBeGreaterThanOrEqual(11);
    expect(target).toBeLessThanOrEqual(14);
  });

  test.each([
    ["network", { networkBytesPerSecond: 0.9e9 }],
    ["processor", { eventLoopUtilization: 0.95 }],
    ["backlog", { waitingWriters: 64 }],
  ])("%s asks for nodes that memory does not need", (name, fields) => {
    const { decision, reasons } = first(0, nodes(10, fields));
    expect(decision.kind).toBe("grow");
    expect(decision.start).toBeGreaterThan(0);
    expect(reasons.join("\n")).toContain(name);
  });

  test("a hinted throughput counts before a byte has moved, and no more once all is written", () => {
    const hints = { bytes: gibibyte, bytesPerSecond: 20e9 };
    expect(first(0, nodes(3), [job(1, hints)]).decision.target).toBe(40);
    const written = [job(1, hints, { usedBytes: 1.5 * gibibyte })];
    // Nothing is moved any more, and 7 nodes are what 4+2 and a spare need.
    expect(first(0, nodes(3), written).decision.target).toBe(7);
  });

  test("nodes that drain are kept before new ones are started, and nodesMax is never passed", () => {
    const draining = nodes(2, { state: "draining", usedBytes: gibibyte }).map((each) => ({
      ...each,
      id: `d${each.id}`,
    }));
    const jobs = [job(1, { bytes: 1000 * gibibyte })];
    const { decision, reasons } = first(0, [...nodes(8), ...draining], jobs);
    expect(decision.keep).toEqual(["dn1", "dn2"]);
    expect(decision).toMatchObject({ kind: "grow", target: 50, start: 40 });
    expect(reasons.join("\n")).toContain("nodesMax allows 50");
  });

  test("a wide code gets its nodes and the spare one, however little there is to store", () => {
    const wide = job(1, {}, { code: { d: 8, p: 3 } });
    expect(first(0, nodes(3), [wide]).decision).toMatchObject({ kind: "grow", target: 12 });
  });

  test("it does not grow again within the cool-down", () => {
    const cool = samplePolicy({ coolDownUpMs: 60_000 });
    const grown: ScaleState = { ...emptyScaleState, atMs: 0, lastGrowAtMs: 0 };
    const at = (nowMs: number) =>
      planScale(
        inventory(nowMs, nodes(3), [job(1, { bytes: 100 * gibibyte }, { registeredAtMs: nowMs })]),
        grown,
        cool,
      );
    expect(at(59_999).decision.kind).toBe("hold");
    expect(at(59_999).reasons.join("\n")).toContain("not again for 0 s");
    expect(at(60_000).decision.kind).toBe("grow");
  });
});

describe("shrinking", () => {
  test("waits for the cool-down, and then drains the emptiest and of equals the youngest", () => {
    const scaler = createScaler(policy);
    const fleet = [
      ...nodes(7, { usedBytes: 2 * gibibyte }),
      node("young", { startedAtMs: 500, usedBytes: gibibyte }),
      node("old", { startedAtMs: 100, usedBytes: gibibyte }),
      node("full", { startedAtMs: 900, usedBytes: 5 * gibibyte }),
    ];
    const kinds: string[] = [];
    let drained: readonly string[] = [];
    // Something grew it a moment ago.
    scaler.plan(inventory(1000, fleet, [job(1, { bytes: 100 * gibibyte })]));
    for (let nowMs = 6000; nowMs <= 200_000 && drained.length === 0; nowMs += 5000) {
      const { decision } = scaler.plan(inventory(nowMs, fleet));
      kinds.push(decision.kind);
      drained = decision.drain;
      if (decision.kind === "shrink") expect(nowMs).toBeGreaterThanOrEqual(1000 + policy.coolDownDownMs);
    }
    expect(drained).toEqual(["young", "old"]);
    expect(kinds.at(-1)).toBe("shrink");
  });

  test("does not begin while nodes start or drain", () => {
    const half = { ...emptyScaleState, atMs: 0, beganAtMs: 0 };
    const drains = [...nodes(10), node("d", { state: "draining" })];
    const starts = [...nodes(10), node("s", { state: "starting", startedAtMs: 999_000 })];
    for (const of of [drains, starts]) {
      expect(planScale(inventory(1_000_000, of), half, policy).decision.kind).toBe("hold");
    }
  });

  test("never leaves less than the codes of the jobs, or nodesMin, need", () => {
    const wide = job(1, {}, { code: { d: 6, p: 2 } });
    const long = { ...emptyScaleState, beganAtMs: 0 };
    const at = (...given: Parameters<typeof inventory>) =>
      planScale(inventory(...given), long, policy).decision;
    expect(at(120_000, nodes(9), [wide]).kind).toBe("hold");
    expect(at(120_000, nodes(10), [wide])).toMatchObject({ kind: "shrink", target: 9 });
    expect(at(120_000, nodes(3)).kind).toBe("hold");
  });

  test("is no first decision: a planner that begins does not know what was needed a moment ago", () => {
    const scaler = createScaler(policy);
    const kindAt = (nowMs: number): string => scaler.plan(inventory(nowMs, nodes(10))).decision.kind;
    expect([0, 60_000, 119_999, 120_000].map(kindAt)).toEqual(["hold", "hold", "hold", "shrink"]);
  });
});

/** A fleet that does what it is told, with jobs that come, grow and go as drawn. */
const history = fc.array(
  fc.record({
    hintGib: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
    usedGib: fc.integer({ min: 0, max: 200 }),
    p: fc.integer({ min: 0, max: 3 }),
    lives: fc.integer({ min: 1, max: 30 }),
    waiting: fc.integer({ min: 0, max: 200 }),
    startsIn: fc.integer({ min: 1, max: 20 }),
  }),
  { minLength: 1, maxLength: 80 },
);

test("whatever happens: within nodesMin and nodesMax, cool-downs kept, inside the band after shrinking", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const scaler = createScaler(policy);
      let fleet = nodes(3);
      let lastGrowMs = Number.NEGATIVE_INFINITY;
      let lastChangeMs = 0;
      let names = 0;
      for (const [at, step] of steps.entries()) {
        const nowMs = at * 10_000;
        const jobs = steps
          .slice(Math.max(0, at - 5), at + 1)
          .flatMap((each, back) =>
            each.lives > back
              ? [
                  job(
                    at * 100 + back + 1,
                    each.hintGib === undefined ? {} : { bytes: each.hintGib * gibibyte },
                    { usedBytes: each.usedGib * gibibyte, code: { d: 4, p: each.p }, registeredAtMs: nowMs },
                  ),
                ]
              : [],
          );
        const used = jobs.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
        const active = fleet.filter(({ state }) => state === "active").length;
        fleet = fleet.map((each) =>
          each.state === "starting" && at % step.startsIn === 0 ? { ...each, state: "active" } : each,
        );
        fleet = fleet.filter(({ state }) => state !== "draining" || at % 3 > 0);
        fleet = fleet.map((each) => ({
          ...each,
          usedBytes: each.state === "active" ? used / Math.max(1, active) : 0,
          waitingWriters: step.waiting,
        }));
        const { decision, inventory: seen } = scaler.plan(inventory(nowMs, fleet, jobs));
        const serving = fleet.filter(({ state }) => state !== "draining").length;
        if (decision.kind === "hold") continue;
        expect(fleet.length + decision.start).toBeLessThanOrEqual(policy.nodesMax);
        if (decision.kind === "grow") {
          expect(nowMs - lastGrowMs).toBeGreaterThanOrEqual(policy.coolDownUpMs);
          expect(decision.drain).toEqual([]);
          expect(decision.start + decision.keep.length).toBeGreaterThan(0);
          lastGrowMs = nowMs;
        } else {
          expect(nowMs - lastChangeMs).toBeGreaterThanOrEqual(policy.coolDownDownMs);
          const left = serving - decision.drain.length;
          expect(left).toBeGreaterThanOrEqual(nodesNeededByCodes(seen.jobs, policy));
          expect(decision.drain.length).toBeLessThanOrEqual(Math.max(1, serving * policy.shrinkShareMax));
          expect(used).toBeLessThanOrEqual(policy.bandHigh * left * 10 * gibibyte);
        }
        lastChangeMs = nowMs;
        const drain = new Set(decision.drain);
        const keep = new Set(decision.keep);
        fleet = fleet.map((each) => {
          if (drain.has(each.id)) return { ...each, state: "draining" };
          return keep.has(each.id) ? { ...each, state: "active" } : each;
        });
        for (let start = 0; start < decision.start; start++) {
          fleet.push(node(`new${names++}`, { state: "starting", startedAtMs: nowMs }));
        }
      }
    }),
  );
});
