/** How much memory processes had resident at their peak, where the system tells (Linux). */
import { readFileSync } from "node:fs";

/** Bytes; 0 when the process has ended or the system does not tell. */
export function peakResidentBytes(pid: number | undefined): number {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
