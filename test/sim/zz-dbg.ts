import { groupOf } from "../../src/placement/groups.ts";
import { runSchedule } from "./schedule.ts";

const [seed, key] = process.argv.slice(2);
const r = await runSchedule({ seed: Number(seed) });
console.log(r.violations);
const w = (globalThis as any).simWorld;
const g = groupOf(Buffer.from(key!));
for (const n of w.nodes) {
  if (!n.process.alive) continue;
  const rep = n.replicas;
  console.log(
    n.id,
    n.process.name,
    "epoch",
    n.map?.epoch,
    "row",
    JSON.stringify(n.map?.rows[g]),
    "pending",
    rep.rows.pending,
    "unfit",
    rep.rows.unfit(),
  );
  if (rep.logs.leads(g)) {
    const l = rep.logs.of(g);
    console.log(
      "  log",
      l.position,
      l.committed,
      [...l.backups].map((b: any) => [b, l.acknowledgedBy(b)]),
    );
  }
  console.log("  report", JSON.stringify(rep.report()), "backlog", rep.logs.backlog());
}
