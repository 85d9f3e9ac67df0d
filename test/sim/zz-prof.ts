import { runSchedule } from "./schedule.ts";
Error.stackTraceLimit = 0;
let ev=0, ms=0, ops=0;
for (let b = 0; b < 4; b++) { const t = process.cpuUsage().user; for (let s = 1; s <= 25; s++) { const r = await runSchedule({ seed: s + b * 25 }); ev+=r.events; ms+=r.simulatedMs; ops+=r.operations;} console.log((process.cpuUsage().user - t) / 25000, "ms cpu per schedule", ev/25/(b+1), ms/25/(b+1)); }
