/** What a process and those that it starts use, looked at again and again while they run (Linux; elsewhere nothing is seen). */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface TreeUse {
  /** User mode and kernel, all processes; what one used after the last look, at most 100 ms, is missing. */
  readonly cpuSeconds: number;
  /** The most that all of them had resident at once; pages that they share count for each. */
  readonly peakMemoryBytes: number;
}

export interface ProcessTree {
  /**
   * Call it when the root has ended: waits for those that it has left behind, and kills what is left at last. NaN when
   * no look has seen any of them: the root ended at once, or there is no /proc.
   */
  end(): Promise<TreeUse>;
}

interface ProcessFacts {
  readonly isZombie: boolean;
  readonly cpuTicks: number;
  /** With the pid it names a process for good. */
  readonly startedAt: string;
  readonly residentBytes: number;
}

const everyMs = 100;
const endsWithinMsDefault = 10_000;
const clockTicksPerSecond = 100;
const pageBytes = 4096;

/**
 * Processes that were started by the main thread of one of them, as Node, Python and shells do.
 * @param endsWithinMs how long those that are left behind may go on
 */
export function watchTree(root: number, endsWithinMs = endsWithinMsDefault): ProcessTree {
  const seen = new Map<number, ProcessFacts>();
  let peakMemoryBytes = 0;
  const look = (): number[] => {
    // Those that have lost their parent are still known.
    const queue = [...new Set([root, ...seen.keys()])];
    const running: number[] = [];
    let residentBytes = 0;
    for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
      const facts = factsOf(pid);
      if (facts === undefined || facts.isZombie || running.includes(pid)) continue;
      const known = seen.get(pid);
      // Another process by now, under a number that was free again.
      if (known !== undefined && known.startedAt !== facts.startedAt) continue;
      seen.set(pid, facts);
      running.push(pid);
      residentBytes += facts.residentBytes;
      queue.push(...childrenOf(pid));
    }
    peakMemoryBytes = Math.max(peakMemoryBytes, residentBytes);
    return running;
  };
  look();
  const timer = setInterval(look, everyMs);
  return {
    async end() {
      clearInterval(timer);
      const untilMs = performance.now() + endsWithinMs;
      for (let left = look(); left.length > 0; left = look()) {
        if (performance.now() > untilMs) for (const pid of left) killIfThere(pid);
        await sleep(everyMs / 5);
      }
      const ticks = [...seen.values()].reduce((sum, { cpuTicks }) => sum + cpuTicks, 0);
      if (peakMemoryBytes === 0) return { cpuSeconds: Number.NaN, peakMemoryBytes: Number.NaN };
      return { cpuSeconds: ticks / clockTicksPerSecond, peakMemoryBytes };
    },
  };
}

function factsOf(pid: number): ProcessFacts | undefined {
  try {
    // Behind the name in parentheses, which may hold anything, field 3 comes first.
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)!.split(" ");
    return {
      isZombie: fields[0] === "Z" || fields[0] === "X",
      cpuTicks: Number(fields[11]) + Number(fields[12]),
      startedAt: fields[19]!,
      residentBytes: Number(fields[21]) * pageBytes,
    };
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
