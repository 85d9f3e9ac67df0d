import { expect, test } from "vitest";
import { Grants } from "../../../cache-node/replication/grants.ts";
import type { Clock } from "../../../src/clock.ts";
import { nodeId } from "../../../src/ids.ts";

const [primary, backup] = [nodeId(1), nodeId(2)];

function createGrants() {
  const time = { monotonicMs: 1000, wallMs: 1_700_000_000_000 };
  const clock: Clock = {
    now: () => time.monotonicMs,
    wallMs: () => time.wallMs,
    after: () => () => undefined,
  };
  const grants = new Grants(clock);
  const hold = (grantMs: number): void => grants.hold(backup, time.monotonicMs, time.wallMs, grantMs);
  const pass = (ms: number, wallMs = ms): void => {
    time.monotonicMs += ms;
    time.wallMs += wallMs;
  };
  return { grants, hold, pass, time };
}

test("a grant is held from when it was asked for, and a little shorter than it was given", () => {
  const { grants, hold, pass } = createGrants();
  expect(grants.holds(backup)).toBe(false);
  hold(1000);
  expect(grants.holds(backup)).toBe(true);
  pass(949);
  expect(grants.holds(backup)).toBe(true);
  pass(1);
  expect(grants.holds(backup)).toBe(false);
});

test("it is over when either clock says so: the monotonic one of a frozen machine stands still", () => {
  for (const [ms, wallMs] of [
    [10, 950],
    [950, 10],
    [10, -100],
  ] as const) {
    const { grants, hold, pass } = createGrants();
    hold(1000);
    pass(ms, wallMs);
    expect(grants.holds(backup), `${ms} ${wallMs}`).toBe(false);
  }
  // Wall clocks are set back by a little all the time.
  const { grants, hold, pass } = createGrants();
  hold(1000);
  pass(10, -20);
  expect(grants.holds(backup)).toBe(true);
});

test("who gave one is bound until its own monotonic clock says so, by the last one to end", () => {
  const { grants, pass, time } = createGrants();
  expect(grants.givenUntilMs(primary)).toBe(0);
  grants.give(primary, 1000);
  const untilMs = time.monotonicMs + 1000;
  pass(100);
  grants.give(primary, 500);
  expect(grants.givenUntilMs(primary)).toBe(untilMs);
  grants.give(primary, 1000);
  expect(grants.givenUntilMs(primary)).toBe(untilMs + 100);
});

test("of nodes that are gone only what still binds is kept", () => {
  const { grants, hold, pass } = createGrants();
  hold(1000);
  grants.give(primary, 1000);
  grants.retain(new Set());
  expect(grants.holds(backup)).toBe(false);
  expect(grants.givenUntilMs(primary)).toBeGreaterThan(0);
  pass(1001);
  grants.retain(new Set());
  expect(grants.givenUntilMs(primary)).toBe(0);
});
