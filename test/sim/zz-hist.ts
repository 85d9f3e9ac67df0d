import { runSchedule } from "./schedule.ts";

const [seed, key] = process.argv.slice(2);
const r = await runSchedule({
  seed: Number(seed),
  onHistory: (h: any[]) => {
    for (const o of h.filter((x) => x.key === key).sort((a, b) => a.invokedAtMs - b.invokedAtMs))
      console.log(
        o.invokedAtMs.toFixed(1),
        o.returnedAtMs?.toFixed(1),
        o.client,
        JSON.stringify(o.op),
        JSON.stringify(o.result),
      );
  },
} as any);
console.log(r.violations);
