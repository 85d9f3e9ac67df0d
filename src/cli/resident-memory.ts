/** How much memory processes have resident, and had at their peak, where the system tells (Linux). */
import { readFileSync } from "node:fs";

const sampleEveryMs = 200;
const pageBytes = 4096;

export interface ResidentMemory {
  /** The most that all of them had together at a sample since it was called last; it takes one more. */
  takePeak(): number;
  stop(): void;
}

/**
 * Samples what a process, those that it has started, and theirs have resident together. Pages that several share count for each of
 * them: the machine has given less.
 */
export function watchResidentMemory(root: number): ResidentMemory {
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, residentBytesOfTree(root));
  };
  const timer = setInterval(look, sampleEveryMs);
  timer.unref();
  return {
    takePeak() {
      look();
      const bytes = peak;
      peak = 0;
      return bytes;
    },
    stop: () => clearInterval(timer),
  };
}

function residentBytesOfTree(root: number): number {
  let bytes = 0;
  const left = [root];
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    bytes += Number(readText(`/proc/${pid}/statm`).split(" ")[1] ?? 0) * pageBytes;
    // Those that its main thread has started, as Node does.
    left.push(...readText(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number));
  }
  return bytes;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Bytes; 0 when the process has ended or the system does not tell. */
export function peakResidentBytes(pid: number | undefined): number {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
