/** Plays a text scenario of what the controller decides: see test/golden/controller-*.txt. Twelve rows. */
import { countRows } from "../../src/controller/describe-fleet.ts";
import { type ExecutionPolicy, executePlan, settle } from "../../src/controller/execute-plan.ts";
import {
  addJob,
  addNode,
  buryNodes,
  drainNode,
  emptyFleet,
  type FleetState,
  nextJobNumber,
  withTarget,
} from "../../src/controller/fleet-state.ts";
import { type FleetAction, planLapses, planRowChange } from "../../src/controller/plan-fleet.ts";
import { noReports } from "../../src/controller/row-facts.ts";
import { nodeId } from "../../src/ids.ts";

const leaseMs = 10_000;
const graceMs = 1000;

const rowCount = 12;

/**
 * Lines: `fleet initial=N backups=N` begins; `join <count>`; `leave <node>`; `drain <node>`; `job` begins one with a lease
 * of 10 s and a grace of 1 s; `ready` reports all joining nodes ready; `look [silent <node>=<ms>] [dead <node>=<ms>] [age
 * <node>=<ms>] [fill <node>=<ratio>] [idle <job>=<ms>] [drained <node>=1] [mended 0=1]` decides what has lapsed. Each prints
 * what was decided, and the fleet after it.
 */
export function playFleetScenario(scenario: string): string {
  let state = emptyFleet(2, rowCount);
  let policy: ExecutionPolicy = {
    ...{ nodesInitial: 1, deadAfterMs: 2000, lostAfterMs: 20_000, joiningRowsMax: 4, zonePolicy: "pack" },
  };
  const lines: string[] = [];
  for (const line of scenario.split("\n").filter((text) => text !== "" && !text.startsWith("#"))) {
    const [verb, ...words] = line.split(" ");
    const decided: FleetAction[] = [];
    let changed = state;
    let reports = noReports;
    if (verb === "fleet") {
      const [initial, backups] = words.map((word) => Number(word.split("=")[1]));
      policy = { ...policy, nodesInitial: initial! };
      state = emptyFleet(backups!, rowCount);
      changed = state;
    } else if (verb === "join") changed = join(state, Number(words[0]));
    else if (verb === "leave") changed = buryNodes(state, new Set([nodeId(Number(words[0]))]), true);
    else if (verb === "drain") changed = drainNode(state, nodeId(Number(words[0])), 0);
    else if (verb === "job") changed = begin(state);
    else if (verb === "ready") reports = { ...noReports, isReady: () => true };
    else if (verb === "look") {
      decided.push(...planLapses(state, inventoryOf(words), policy));
      changed = executePlan(state, decided, policy, 0);
    } else throw new RangeError(`no verb ${verb}`);
    const aimed = changed.formed ? withTarget(changed, policy.zonePolicy) : changed;
    decided.push(...planRowChange(aimed, policy, reports));
    state = settle(state, changed, policy, reports);
    lines.push(`${line}\n  ${decided.map(show).join(", ") || "nothing"}\n  ${describe(state)}\n`);
  }
  return lines.join("");
}

function join(state: FleetState, count: number): FleetState {
  let joined = state;
  for (let i = 0; i < count; i++) joined = addNode(joined, { host: "h", port: joined.highestNode + 1 }, "");
  return joined;
}

function begin(state: FleetState): FleetState {
  const number = nextJobNumber(state);
  const rest = { quotaBytes: 0, hints: {}, createdAtMs: 0, nodesLost: 0 };
  return addJob(state, { number, name: `job-${number}`, code: { d: 1, p: 1 }, leaseMs, graceMs, ...rest });
}

function inventoryOf(words: readonly string[]) {
  const told = new Map<string, number>();
  for (let i = 0; i < words.length; i += 2) {
    const [id, value] = words[i + 1]!.split("=");
    told.set(`${words[i]} ${id}`, Number(value));
  }
  const answer = (what: string) => (id: number) => told.get(`${what} ${id}`) ?? 0;
  return {
    ...{ silentMs: answer("silent"), deadMs: answer("dead"), fillOf: answer("fill"), idleMs: answer("idle") },
    ageMs: (id: number) => told.get(`age ${id}`) ?? Number.POSITIVE_INFINITY,
    isDrained: (id: number) => told.has(`drained ${id}`),
    isMended: () => told.has("mended 0"),
  };
}

function show(action: FleetAction): string {
  switch (action.kind) {
    case "bury":
      return `bury ${action.node}${action.certain ? " for certain" : ""}`;
    case "weigh":
      return `weigh ${action.node} to ${action.weight}`;
    case "release":
      return `release ${action.node}`;
    case "end":
      return `end job ${action.job}`;
    case "move-rows":
      return `move ${action.count} rows`;
    case "mend":
    case "lay-rows":
      return action.kind;
  }
}

function describe(state: FleetState): string {
  const { nodes, epoch, rows } = state.map;
  const shown = nodes.map(
    ({ id, state: now, weight }) => `${id}${now === "active" ? `=${weight}` : ` ${now}`}`,
  );
  const { full, degraded, withoutPrimary } = countRows(state);
  const joining = rows.filter((row) => row.joining.length > 0).length;
  const counts = `rows full ${full}, degraded ${degraded}, without primary ${withoutPrimary}, joining ${joining}`;
  const jobs = state.jobs.map((job) => `${job.number}${"*".repeat(job.nodesLost)}`).join(" ") || "none";
  return `epoch ${epoch.n}: nodes ${shown.join(", ") || "none"}; ${counts}; jobs ${jobs}`;
}
