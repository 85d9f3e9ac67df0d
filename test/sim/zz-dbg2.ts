import { runSchedule } from "./schedule.ts";
const [seed, from] = process.argv.slice(2);
const ids = new Map(); let on = false; const out: string[] = [];
(globalThis as any).dbg = (link: any, ...rest: any[]) => { const opt = link; if (!ids.has(link)) ids.set(link, ids.size); out.push(`${(globalThis as any).simNow?.()?.toFixed(1)} L${ids.get(link)} ${JSON.stringify(rest)}`); };
await runSchedule({ seed: Number(seed), log: (l) => out.push(l) });
console.log(out.join("\n"));
