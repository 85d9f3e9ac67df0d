import { expect, test } from "vitest";
import { describeStatus } from "../../src/cli/status.ts";
import type { StatusReply } from "../../src/wire/control-api.ts";

const quiet: StatusReply = {
  ...{ epoch: "1.7", state: "serving", backups: 2, jobs: [], replacing: 0, survives: ["cells: fine"] },
  nodes: [
    {
      ...{ id: 3, host: "10.0.0.1", port: 7401, zone: "", state: "draining", weight: 0, limitBytes: 4096 },
      ...{
        usedBytes: 1024,
        claimedBytes: 1000,
        heartbeatAgeMs: 200,
        eventLoopUtilization: 0.5,
        rows: 17,
        objectsLeft: 4,
      },
    },
  ],
  rows: { total: 1024, full: 1024, degraded: 0, withoutPrimary: 0, joining: 0, moving: 0, pending: 0 },
  relocation: {
    ...{
      objects: 0,
      bytes: 0,
      atRisk: 0,
      movedObjects: 0,
      movedBytes: 0,
      lostObjects: 0,
      bytesPerSecond: 0,
      etaMs: 0,
    },
  },
  size: {
    ...{
      desired: 0,
      active: 1,
      starting: 0,
      draining: 0,
      rowsMoving: 0,
      done: true,
      blocked: false,
      reasons: [],
    },
  },
};

test("a quiet fleet has little to say", () => {
  expect(describeStatus("http://c", quiet)).toEqual([
    "serving at http://c, epoch 1.7, 2 backups",
    "",
    "NODE  ADDRESS        ZONE  STATE     WEIGHT   USED  LIMIT  FULL  BUSY  ROWS  TO MOVE      HEARD",
    "   3  10.0.0.1:7401  -     draining       0  1 KiB  4 KiB   24%   50%    17        4  200ms ago",
    "",
    "no jobs; begin one: mayfly job create",
    "",
    "rows: 1024 of 1024 full, 0 degraded, 0 without a primary",
    "cells: fine",
  ]);
});

test("a fleet on the move says what is left, how fast it goes, and what it waits for", () => {
  const busy: StatusReply = {
    ...quiet,
    replacing: 2,
    rows: { ...quiet.rows, full: 1000, degraded: 24, joining: 20, moving: 44, pending: 3 },
    relocation: {
      ...{ objects: 9, bytes: 5 * 2 ** 20, atRisk: 2, movedObjects: 40, movedBytes: 2 ** 20, lostObjects: 0 },
      ...{ bytesPerSecond: 1e6, etaMs: 5243 },
    },
    size: {
      ...quiet.size,
      desired: 4,
      starting: 1,
      draining: 1,
      done: false,
      reasons: ["no machine\u001b is free"],
    },
  };
  expect(describeStatus("http://c", busy).slice(7)).toEqual([
    "rows: 1000 of 1024 full, 24 degraded, 0 without a primary, 20 being copied, 3 being taken over",
    "objects: 9 (5 MiB) to move away from dead or draining nodes, 1 MB/s, ETA 5s, 2 one failure away from loss, " +
      "40 (1 MiB) moved so far",
    "restart: 2 nodes still to be replaced",
    "size: 4 nodes wanted, 1 active, 1 starting, 1 draining",
    "size: no machine\\x1b is free",
    "cells: fine",
  ]);
  const done = { ...busy.relocation, objects: 0 };
  expect(describeStatus("http://c", { ...busy, relocation: done })[8]).toBe(
    "objects: none to move away from dead or draining nodes, 40 (1 MiB) moved so far",
  );
});

test("an autoscaler says what it decided and why, and what it waits for", () => {
  const decision = { target: 5, start: 0, keep: [], drain: [], agoMs: 4000 };
  const autoscale = {
    ...{ nodesMin: 3, nodesMax: 12 },
    last: { ...decision, kind: "hold" as const, reasons: ["memory 70 %", "inside the band\u001b"] },
    lastChange: { ...decision, kind: "grow" as const, start: 2, agoMs: 65_000, reasons: ["memory 91 %"] },
  };
  const lines = describeStatus("http://c", { ...quiet, autoscale });
  expect(lines.slice(8, 10)).toEqual([
    "autoscaler: 3 to 12 nodes, decided to hold at 5 4s ago: memory 70 %; inside the band\\x1b",
    "autoscaler: before, decided to grow to 5 1m 5s ago: memory 91 %",
  ]);
  const pinned = { nodesMin: 3, nodesMax: 12, waitsFor: "it was given 5 nodes by hand" };
  expect(describeStatus("http://c", { ...quiet, autoscale: pinned })[8]).toBe(
    "autoscaler: 3 to 12 nodes, it was given 5 nodes by hand",
  );
});
