/** A log of a fleet that takes in one job and loses it again. */
import { startDecisionLog } from "../../../src/controller/autoscale/decision-log.ts";
import type { ScaleNode } from "../../../src/controller/autoscale/scale-inventory.ts";
import { createScaler } from "../../../src/controller/autoscale/scaler.ts";
import { gibibyte, inventory, job, node, nodes, samplePolicy } from "./sample-fleet.ts";

/** A decision each 5 s for ten minutes. */
export function sampleLog(): string {
  let text = "";
  const policy = samplePolicy();
  const log = startDecisionLog(policy, (line) => {
    text += line;
  });
  const scaler = createScaler(policy);
  let fleet: ScaleNode[] = nodes(7);
  for (let nowMs = 0; nowMs <= 600_000; nowMs += 5000) {
    const alive = nowMs >= 20_000 && nowMs < 200_000;
    const usedBytes = alive ? Math.min(60, (nowMs - 20_000) / 1000) * gibibyte : 0;
    const jobs = alive ? [job(1, { bytes: 40 * gibibyte }, { usedBytes, registeredAtMs: 20_000 })] : [];
    const active = fleet.filter(({ state }) => state === "active").length;
    fleet = fleet
      .filter(({ state }) => state !== "draining")
      .map((each) => ({ ...each, usedBytes: each.state === "active" ? usedBytes / active : 0 }))
      .map((each) => (nowMs - each.startedAtMs >= 30_000 ? { ...each, state: "active" } : each));
    const record = scaler.plan(inventory(nowMs, fleet, jobs));
    log.append(record);
    const drain = new Set(record.decision.drain);
    fleet = fleet.map((each) => (drain.has(each.id) ? { ...each, state: "draining" } : each));
    for (let start = 0; start < record.decision.start; start++) {
      fleet.push(node(`at${nowMs}-${start}`, { state: "starting", startedAtMs: nowMs }));
    }
  }
  return text;
}
