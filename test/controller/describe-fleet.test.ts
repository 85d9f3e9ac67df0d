import { expect, test } from "vitest";
import { countRows, survivals } from "../../src/controller/describe-fleet.ts";
import { settle } from "../../src/controller/execute-plan.ts";
import {
  addJob,
  addNode,
  buryNodes,
  emptyFleet,
  type FleetState,
  mendJobs,
  nextJobNumber,
} from "../../src/controller/fleet-state.ts";
import { noReports } from "../../src/controller/row-facts.ts";
import { nodeId } from "../../src/ids.ts";
import type { Code } from "../../src/placement/types.ts";
import { testPolicy } from "./random-history.ts";

const nothingLeft = { objects: 0, atRisk: 0, lostObjects: 0 };

function fleetOf(nodes: number, ...codes: Code[]): FleetState {
  let state = emptyFleet(2);
  for (let port = 1; port <= nodes; port++) {
    state = settle(
      state,
      addNode(state, { host: "h", port }, ""),
      { ...testPolicy, nodesInitial: nodes },
      noReports,
    );
  }
  for (const code of codes) {
    const number = nextJobNumber(state);
    const rest = { leaseMs: 1000, graceMs: 0, quotaBytes: 0, hints: {}, createdAtMs: 0, nodesLost: 0 };
    state = addJob(state, { number, name: `j${number}`, code, ...rest });
  }
  return state;
}

const lose = (state: FleetState, ...ids: number[]): FleetState =>
  settle(state, buryNodes(state, new Set(ids.map(nodeId)), false), testPolicy, noReports);

test("a whole fleet says what it survives", () => {
  const state = fleetOf(7, { d: 4, p: 2 }, { d: 1, p: 0 }, { d: 6, p: 1 });
  expect(survivals(state, 7, nothingLeft)).toEqual([
    "cells: every row has 2 backups and survives the loss of any 2 nodes at once",
    'job 1 "j1" (4+2): objects survive the loss of any 2 nodes at once',
    'job 2 "j2" (1+0): objects survive no loss of a node',
    'job 3 "j3" (6+1): objects survive the loss of any 1 node',
  ]);
  expect(countRows(state)).toEqual({ total: 1024, full: 1024, degraded: 0, withoutPrimary: 0 });
});

test("small fleets say plainly how little they survive", () => {
  expect(survivals(fleetOf(1), 1, nothingLeft)).toEqual([
    "cells: every row has 0 backups and survives no loss of a node",
  ]);
  expect(survivals(fleetOf(2), 2, nothingLeft)).toEqual([
    "cells: every row has 1 backup and survives the loss of any 1 node",
  ]);
  expect(survivals(emptyFleet(2), 3, nothingLeft)).toEqual([
    "cells: none yet; the fleet is forming, 0 of 3 nodes have registered",
  ]);
});

test("after losses each line says what is left, until what was lost is made anew", () => {
  const state = lose(fleetOf(6, { d: 4, p: 2 }, { d: 1, p: 1 }), 6, 5);
  const left = { objects: 12, atRisk: 3, lostObjects: 0 };
  const lines = survivals(state, 6, left);
  expect(lines.slice(0, -2).join("\n")).toMatch(
    /^cells: \d+ of 1024 rows have 0 backups and survive no loss of a node\n.*1 backup .*\n.*2 backups .*$/,
  );
  expect(lines.slice(-2)).toEqual([
    'job 1 "j1" (4+2): 2 nodes went and what they held is being made anew (12 objects to go, 3 at risk); until then ' +
      "older objects survive no loss of a node, newer ones the loss of any 2 nodes at once; new objects cannot be " +
      "written, they need 6 nodes and 4 are active",
    'job 2 "j2" (1+1): 2 nodes went and what they held is being made anew (12 objects to go, 3 at risk); until then ' +
      "older objects may be lost, newer ones the loss of any 1 node",
  ]);
  expect(survivals(mendJobs(state), 6, { ...nothingLeft, lostObjects: 2 }).slice(-3)).toEqual([
    'job 1 "j1" (4+2): objects survive the loss of any 2 nodes at once; new objects cannot be written, they need 6 ' +
      "nodes and 4 are active",
    'job 2 "j2" (1+1): objects survive the loss of any 1 node',
    "2 objects were lost with dead nodes",
  ]);
});

test("rows without a living node are said to be out of service", () => {
  const state = lose(fleetOf(4, { d: 1, p: 1 }), 1, 2, 3);
  const { withoutPrimary } = countRows(state);
  expect(withoutPrimary).toBeGreaterThan(0);
  expect(survivals(state, 4, nothingLeft)[0]).toBe(
    `cells: ${withoutPrimary} of 1024 rows are not served: all their nodes are dead; what they held counts as lost ` +
      "once it is certain that none of them comes back",
  );
});
