/** The fleet in plain words and numbers: what `mayfly status` prints. */
import { formatCode } from "../placement/code.ts";
import type { JobInfo, RelocationStatus, StatusReply } from "../wire/control-api.ts";
import { activeNodes, type EndedJob, type FleetState, type Job } from "./fleet-state.ts";
import type { Vitals } from "./vitals.ts";

export function jobInfo(job: Job | EndedJob, vitals: Vitals, nowMs: number): JobInfo {
  const { number, name, code, leaseMs, graceMs, quotaBytes, createdAtMs, hints } = job;
  const ended = "endedAtMs" in job;
  const store = vitals.storeUseOf(number);
  const leaseLeftMs = ended ? 0 : Math.max(0, Math.ceil(leaseMs - vitals.idleMs(number, nowMs)));
  return {
    job: number,
    name,
    state: ended ? "ended" : leaseLeftMs > 0 ? "alive" : "grace",
    code,
    leaseMs,
    graceMs,
    quotaBytes,
    usedBytes: ended ? 0 : vitals.bytesOf(number),
    createdAtMs,
    leaseLeftMs,
    hints,
    ...(store !== undefined && { store }),
  };
}

export type RowCounts = Pick<StatusReply["rows"], "total" | "full" | "degraded" | "withoutPrimary">;

export function countRows(state: FleetState): RowCounts {
  const dead = new Set(state.map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
  let full = 0;
  let withoutPrimary = 0;
  for (const { nodes } of state.map.rows) {
    const primary = nodes[0];
    if (primary === undefined || dead.has(primary)) withoutPrimary++;
    else if (nodes.filter((id) => !dead.has(id)).length > state.map.backups) full++;
  }
  const total = state.map.rows.length;
  return { total, full, degraded: total - full - withoutPrimary, withoutPrimary };
}

/** What is left to make anew, as far as it matters for what is survived. */
export type RepairLeft = Pick<RelocationStatus, "objects" | "atRisk" | "lostObjects">;

/** One line for the cells and one for each job: which losses are survived now. */
export function survivals(state: FleetState, nodesInitial: number, left: RepairLeft): string[] {
  const lost =
    left.lostObjects === 0 ? [] : [`${plural(left.lostObjects, "object")} were lost with dead nodes`];
  const jobs = state.jobs.map((job) => jobSurvival(job, state, left));
  return [...cellSurvival(state, nodesInitial), ...jobs, ...lost];
}

function cellSurvival(state: FleetState, nodesInitial: number): string[] {
  if (!state.formed) {
    const count = activeNodes(state).length;
    return [`cells: none yet; the fleet is forming, ${count} of ${nodesInitial} nodes have registered`];
  }
  const { total, withoutPrimary } = countRows(state);
  const lines: string[] = [];
  if (withoutPrimary > 0) {
    lines.push(
      `cells: ${withoutPrimary} of ${total} rows are not served: all their nodes are dead; what they held counts as ` +
        "lost once it is certain that none of them comes back",
    );
  }
  const dead = new Set(state.map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
  const rowsOf = new Map<number, number>();
  for (const { nodes } of state.map.rows) {
    if (nodes[0] === undefined || dead.has(nodes[0])) continue;
    const backups = nodes.filter((id) => !dead.has(id)).length - 1;
    rowsOf.set(backups, (rowsOf.get(backups) ?? 0) + 1);
  }
  for (const [backups, rows] of [...rowsOf].sort((a, b) => a[0] - b[0])) {
    const what = `${plural(backups, "backup")} and survive${rows === total ? "s" : ""} ${loss(backups)}`;
    lines.push(`cells: ${rows === total ? "every row has" : `${rows} of ${total} rows have`} ${what}`);
  }
  return lines;
}

function jobSurvival(job: Job, state: FleetState, { objects, atRisk }: RepairLeft): string {
  const { d, p } = job.code;
  const head = `job ${job.number} ${JSON.stringify(job.name)} (${formatCode(job.code)})`;
  const count = activeNodes(state).length;
  const short =
    count < d + p ? `; new objects cannot be written, they need ${d + p} nodes and ${count} are active` : "";
  if (job.nodesLost === 0) return `${head}: objects survive ${loss(p)}${short}`;
  const lost = `${plural(job.nodesLost, "node")} went and what they held is being made anew`;
  const progress = objects === 0 ? "" : ` (${plural(objects, "object")} to go, ${atRisk} at risk)`;
  const left = p - job.nodesLost;
  const older = left < 0 ? "older objects may be lost" : `older objects survive ${loss(left)}`;
  return `${head}: ${lost}${progress}; until then ${older}, newer ones ${loss(p)}${short}`;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function loss(nodes: number): string {
  if (nodes === 0) return "no loss of a node";
  return nodes === 1 ? "the loss of any 1 node" : `the loss of any ${nodes} nodes at once`;
}
