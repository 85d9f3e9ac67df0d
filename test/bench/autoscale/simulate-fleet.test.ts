import { expect, test } from "vitest";
import { peakProvisioning, perJobProvisioning } from "../../../bench/autoscale/baselines.ts";
import { type SimulationOptions, simulateFleet } from "../../../bench/autoscale/simulate-fleet.ts";
import type {
  FleetShape,
  SimulatedInventory,
  SimulatedScaler,
} from "../../../bench/autoscale/simulated-scaler.ts";
import { synthesizeTrace, type Trace, traceDefaults } from "../../../bench/autoscale/trace.ts";
import { parseTraceCsv } from "../../../bench/autoscale/trace-csv.ts";
import { parseDecisionLog, startDecisionLog } from "../../../src/controller/autoscale/decision-log.ts";
import { replay } from "../../../src/controller/autoscale/replay-decisions.ts";
import { scalePolicy } from "../../../src/controller/autoscale/scale-policy.ts";
import { createScaler } from "../../../src/controller/autoscale/scaler.ts";

const code = { d: 4, p: 2 };
const shape: FleetShape = {
  ...{ nodesMin: 10, nodesMax: 100, nodeMemoryBytes: 1000, nodeBytesPerSecond: 1e6 },
  ...{ startMs: 30_000, decideEveryMs: 5000 },
};
const optionsOf = (changes: Partial<FleetShape> = {}): SimulationOptions => ({
  ...{ shape: { ...shape, ...changes }, code, drainBytesPerSecond: 100, bandLow: 0.6, bandHigh: 0.8 },
});

/** A fleet that nobody changes. */
const still: SimulatedScaler = {
  plan: () => ({ decision: { start: 0, keep: [], drain: [] } }),
  admit: () => ({ admitted: true }),
};

const csv = (rows: string): Trace => parseTraceCsv(`job,start_s,end_s,peak_bytes,ramp_s,hint_bytes\n${rows}`);

test("what fits is written as it comes; a fleet that stays costs its nodes all the time", () => {
  const result = simulateFleet(csv("a,0,3600,4000,100,"), still, optionsOf());
  expect(result).toMatchObject({ delayedShare: 0, rejectedShare: 0, longestDelaySeconds: 0, nodesMost: 10 });
  expect(result.nodeHours).toBeCloseTo(10, 1);
  // 6,000 bytes with parity are 60 % of ten nodes: inside the band once they are there.
  expect(result.aboveBandShare).toBe(0);
  expect(result.belowBandShare).toBeCloseTo(100 / 3600, 2);
});

test("what finds no room waits, and is late; the end of its job waits for it", () => {
  // Nodes take 9,700 bytes, and a takes 9,000 of them until second 100.
  const trace = csv("a,0,100,6000,10,\nb,20,120,2000,10,");
  const result = simulateFleet(trace, still, optionsOf());
  // 2,300 of b's 3,000 wait until a has ended.
  expect(result.delayedShare).toBeCloseTo(2300 / 12_000, 3);
  expect(result.longestDelaySeconds).toBeGreaterThanOrEqual(70);
  expect(result.longestDelaySeconds).toBeLessThanOrEqual(80);
  expect(result.aboveBandShare).toBeGreaterThan(0.5);
});

test("speed is limited like room", () => {
  const trace = csv("a,0,100,4000,1,");
  const slow = simulateFleet(trace, still, optionsOf({ nodeBytesPerSecond: 60 }));
  // 6,000 bytes within a second, of which ten nodes take 600 a second.
  expect(slow.delayedShare).toBeCloseTo(0.9, 2);
  expect(slow.longestDelaySeconds).toBe(9);
});

test("a job that is refused is rejected, byte for byte", () => {
  const picky: SimulatedScaler = { ...still, admit: (_, hints) => ({ admitted: hints.bytes === undefined }) };
  const result = simulateFleet(csv("a,0,100,1000,10,900\nb,0,100,3000,10,"), picky, optionsOf());
  expect(result).toMatchObject({ rejectedShare: 0.25, jobsRejected: 1, jobsAliveMost: 1 });
});

test("nodes take their time to start, and drains take theirs by the bytes that they move", () => {
  const seen: { readonly second: number; readonly states: string }[] = [];
  const scripted: SimulatedScaler = {
    ...still,
    plan({ nowMs, nodes }: SimulatedInventory) {
      seen.push({ second: nowMs / 1000, states: nodes.map(({ state }) => state[0]).join("") });
      const start = nowMs === 10_000 ? 1 : 0;
      return { decision: { start, keep: [], drain: nowMs === 100_000 ? ["n1"] : [] } };
    },
  };
  const result = simulateFleet(csv("a,0,200,2000,10,"), scripted, {
    ...optionsOf({ nodesMin: 6 }),
    drainBytesPerSecond: 60,
  });
  const at = (second: number): string | undefined => seen.find((each) => each.second === second)?.states;
  expect(at(35)).toBe("aaaaaas");
  expect(at(40)).toBe("aaaaaaa");
  // n1 has 500 bytes, and moves 60 a second.
  expect(at(105)).toBe("daaaaaa");
  expect(at(110)).toBe("aaaaaa");
  expect(result).toMatchObject({ starts: 1, stops: 1, delayedShare: 0 });
});

test("the planner over a synthesised trace: bytes are kept count of, and its decisions replay", () => {
  const trace = synthesizeTrace({
    ...traceDefaults,
    ...{ seed: 3, jobs: 300, seconds: 3 * 3600, peakToMean: 3, peakBytes: 40 * 2 ** 30 },
  });
  const fleet = {
    ...shape,
    nodesMin: 8,
    nodeMemoryBytes: 2 ** 30,
    nodeBytesPerSecond: 1e9,
    decideEveryMs: 20_000,
  };
  const policy = scalePolicy(fleet);
  let text = "";
  const log = startDecisionLog(policy, (line) => {
    text += line;
  });
  const scaler = createScaler(policy);
  const result = simulateFleet(
    trace,
    {
      admit: scaler.admit,
      plan(inventory) {
        const record = scaler.plan(inventory);
        log.append(record);
        expect(record.decision.target).toBeLessThanOrEqual(fleet.nodesMax);
        const used = inventory.nodes.reduce((sum, node) => sum + node.usedBytes, 0);
        const ofJobs = inventory.jobs.reduce((sum, job) => sum + job.usedBytes, 0);
        expect(used).toBeCloseTo(ofJobs, -3);
        return record;
      },
    },
    { ...optionsOf(fleet), drainBytesPerSecond: 1e8 },
  );
  expect(result.nodesMost).toBeGreaterThan(fleet.nodesMin);
  expect(result.stops).toBeGreaterThan(0);
  const replayed = replay(parseDecisionLog(text));
  expect(replayed.length).toBeGreaterThan(500);
  expect(replayed.every(({ same, intact }) => same && intact)).toBe(true);
});

test("hints make room before the data: with them nothing waits that waits without them", () => {
  const rows = (hint: string): string =>
    `a,0,600,4000,60,${hint}\n${Array.from({ length: 4 }, (_, at) => `b${at},100,600,6000,120,${hint && 6000}`).join("\n")}`;
  const run = (hint: string): number => {
    const scaler = createScaler(scalePolicy(shape));
    return simulateFleet(csv(rows(hint)), scaler, optionsOf()).delayedShare;
  };
  expect(run("4000")).toBeLessThan(run(""));
});

test("baselines pay for the peak, and for each job alone", () => {
  const trace = csv("a,0,3600,8000,1,\nb,3600,7200,800,1,");
  // 12,000 bytes with parity at 80 % of 1,000 a node.
  expect(peakProvisioning(trace, code, shape, 0.8)).toEqual({ nodes: 15, nodeHours: 30 });
  // 15 nodes for an hour, and the 6 that 4+2 needs for another.
  expect(perJobProvisioning(trace, code, shape, 0.8)).toBe(21);
});
