/** How busy the machine is, with whatever runs on it, and how much memory it has left. */
import { readFileSync } from "node:fs";
import { cpus, freemem } from "node:os";
import { machineMs } from "./operation-log.ts";
import { cpuSecondsOf } from "./processes.ts";

export interface CpuUse {
  /** Of all cores that was in use, by whomever. */
  readonly machineShare: number;
  /** Of all cores that these processes and this one used; NaN where it cannot be told, and when one has ended. */
  readonly ownShare: number;
}

/** The result tells the use since this call. */
export function watchCpu(pids: readonly number[]): () => CpuUse {
  const own = [...pids, process.pid];
  const begin = { cpu: cpuTimes(), ownSeconds: cpuSecondsOf(own), atMs: machineMs() };
  return () => {
    const end = cpuTimes();
    const coreSeconds = (cpus().length * (machineMs() - begin.atMs)) / 1000;
    return {
      machineShare: (end.busyMs - begin.cpu.busyMs) / (end.totalMs - begin.cpu.totalMs),
      ownShare: (cpuSecondsOf(own) - begin.ownSeconds) / coreSeconds,
    };
  };
}

/** Of all cores, since they began. */
function cpuTimes(): { readonly busyMs: number; readonly totalMs: number } {
  let [busyMs, totalMs] = [0, 0];
  for (const { times } of cpus()) {
    const sum = times.user + times.nice + times.sys + times.idle + times.irq;
    totalMs += sum;
    busyMs += sum - times.idle;
  }
  return { busyMs, totalMs };
}

/** Memory that processes can still have without anything being written out. */
export function availableBytes(): number {
  try {
    const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "latin1"))?.[1];
    return kib === undefined ? freemem() : Number(kib) * 1024;
  } catch {
    return freemem();
  }
}
