/** `mayfly status`: the fleet at a glance. */
import { formatCode } from "../placement/code.ts";
import type { AutoscaleDecision, JobInfo, NodeStatus, StatusReply } from "../wire/control-api.ts";
import { controllerOption, withController } from "./fleet-access.ts";
import { describeHibernation } from "./hibernate.ts";
import { formatBytes, formatDuration, formatRate } from "./sizes.ts";
import { type Column, formatTable, printable } from "./table.ts";
import { defineVerb } from "./verb.ts";

export const statusVerb = defineVerb({
  name: "status",
  summary: "show nodes, jobs, and which losses are survived now",
  usage: "",
  options: { controller: controllerOption },
  examples: ["mayfly status", "mayfly status --json | jq .survives"],
  async run({ options, json, print }) {
    const status = await withController(options.controller, (controller) => controller.status());
    if (json) print(JSON.stringify(status));
    else for (const line of describeStatus(options.controller, status)) print(line);
  },
});

/** The lines of `mayfly status`. */
export function describeStatus(url: string, status: StatusReply): string[] {
  const { epoch, state, backups, nodes, jobs, survives } = status;
  const alive = jobs.filter((job) => job.state !== "ended");
  return [
    `${state} at ${url}, epoch ${epoch}, ${backups} backups`,
    "",
    ...(nodes.length === 0
      ? [
          status.hibernation?.stage === "asleep"
            ? "no nodes: the fleet sleeps"
            : "no nodes; start one: mayfly node",
        ]
      : formatTable(nodeColumns, nodes.map(nodeCells))),
    "",
    ...(alive.length === 0 ? ["no jobs; begin one: mayfly job create"] : jobTable(alive)),
    "",
    rowsLine(status),
    ...hibernationLines(status),
    ...relocationLines(status),
    ...spillLines(status),
    ...sizeLines(status),
    ...autoscaleLines(status),
    ...survives.map(printable),
  ];
}

function rowsLine({ rows }: StatusReply): string {
  const { full, total, degraded, withoutPrimary, joining, pending } = rows;
  const now = [
    `${degraded} degraded`,
    `${withoutPrimary} without a primary`,
    ...(joining > 0 ? [`${joining} being copied`] : []),
    ...(pending > 0 ? [`${pending} being taken over`] : []),
  ];
  return `rows: ${full} of ${total} full, ${now.join(", ")}`;
}

function relocationLines({ relocation }: StatusReply): string[] {
  const { objects, bytes, atRisk, movedObjects, movedBytes, bytesPerSecond, etaMs } = relocation;
  if (objects === 0 && movedObjects === 0) return [];
  const moved = `${movedObjects} (${formatBytes(movedBytes)}) moved so far`;
  if (objects === 0) return [`objects: none to move away from dead or draining nodes, ${moved}`];
  const eta = etaMs === undefined ? "" : `, ${formatRate(bytesPerSecond)}, ETA ${formatDuration(etaMs)}`;
  return [
    `objects: ${objects} (${formatBytes(bytes)}) to move away from dead or draining nodes${eta}, ${atRisk} one failure ` +
      `away from loss, ${moved}`,
  ];
}

function spillLines({ spill }: StatusReply): string[] {
  if (spill === undefined) return [];
  const { storeUrl, objects, bytes, spilledObjects, spilledBytes, readBackObjects, requests, failing } =
    spill;
  const { puts, gets, heads, lists, deletes } = requests;
  const counts = `${puts} puts, ${gets} gets, ${heads + lists} heads and lists, ${deletes} deletes`;
  return [
    `store: ${objects} objects (${formatBytes(bytes)}) in ${printable(storeUrl)} only, ${spilledObjects} ` +
      `(${formatBytes(spilledBytes)}) spilled and ${readBackObjects} brought back so far, ${counts}`,
    ...failing.map((why) => `store: nothing is spilled: ${printable(why)}`),
  ];
}

function hibernationLines({ hibernation }: StatusReply): string[] {
  return hibernation === undefined ? [] : [`hibernation: ${printable(describeHibernation(hibernation))}`];
}

function sizeLines({ size, replacing }: StatusReply): string[] {
  const { desired, active, starting, draining, reasons } = size;
  const lines = replacing === 0 ? [] : [`restart: ${replacing} nodes still to be replaced`];
  const now = `${active} active, ${starting} starting, ${draining} draining`;
  if (desired > 0) lines.push(`size: ${desired} nodes wanted, ${now}`);
  return [...lines, ...reasons.map((reason) => `size: ${printable(reason)}`)];
}

function autoscaleLines({ autoscale }: StatusReply): string[] {
  if (autoscale === undefined) return [];
  const { nodesMin, nodesMax, waitsFor, last, lastChange } = autoscale;
  const head = `autoscaler: ${nodesMin} to ${nodesMax} nodes`;
  return [
    ...(waitsFor === undefined ? [] : [`${head}, ${printable(waitsFor)}`]),
    ...(last === undefined ? [] : [`${head}, ${decisionText(last)}`]),
    ...(lastChange === undefined || last?.kind !== "hold"
      ? []
      : [`autoscaler: before, ${decisionText(lastChange)}`]),
  ];
}

function decisionText({ kind, target, agoMs, reasons }: AutoscaleDecision): string {
  const why = printable(reasons.join("; "));
  return `decided to ${kind} ${kind === "hold" ? "at" : "to"} ${target} ${formatDuration(agoMs)} ago: ${why}`;
}

const nodeColumns: readonly Column[] = [
  { title: "NODE", align: "right" },
  { title: "ADDRESS" },
  { title: "ZONE" },
  { title: "STATE" },
  { title: "WEIGHT", align: "right" },
  { title: "USED", align: "right" },
  { title: "LIMIT", align: "right" },
  { title: "FULL", align: "right" },
  { title: "BUSY", align: "right" },
  { title: "ROWS", align: "right" },
  { title: "TO MOVE", align: "right" },
  { title: "HEARD", align: "right" },
];

function nodeCells(node: NodeStatus): string[] {
  return [
    String(node.id),
    `${node.host}:${node.port}`,
    node.zone === "" ? "-" : node.zone,
    node.state,
    String(node.weight),
    formatBytes(node.usedBytes),
    formatBytes(node.limitBytes),
    node.limitBytes === 0 ? "-" : percent(node.claimedBytes / node.limitBytes),
    percent(node.eventLoopUtilization),
    String(node.rows),
    String(node.objectsLeft),
    `${formatDuration(node.heartbeatAgeMs)} ago`,
  ];
}

const jobColumns: readonly Column[] = [
  { title: "JOB", align: "right" },
  { title: "NAME" },
  { title: "STATE" },
  { title: "CODE" },
  { title: "USED", align: "right" },
  { title: "QUOTA", align: "right" },
  { title: "LEASE LEFT", align: "right" },
  { title: "STORE READ", align: "right" },
  { title: "STORE WRITTEN", align: "right" },
];

/** Jobs as a table, its titles first. */
export function jobTable(jobs: readonly JobInfo[]): string[] {
  return formatTable(
    jobColumns,
    jobs.map((job) => [
      String(job.job),
      printable(job.name),
      job.state,
      formatCode(job.code),
      formatBytes(job.usedBytes),
      job.quotaBytes === 0 ? "-" : formatBytes(job.quotaBytes),
      job.state === "ended" ? "-" : formatDuration(job.leaseLeftMs),
      storeCell(job.store?.bytesRead, job.store?.gets),
      storeCell(job.store?.bytesWritten, job.store?.puts),
    ]),
  );
}

/** Bytes, and with how many requests. */
function storeCell(bytes = 0, requests = 0): string {
  return requests === 0 ? "-" : `${formatBytes(bytes)} / ${requests}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}
