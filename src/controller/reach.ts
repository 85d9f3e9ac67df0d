/**
 * Who cannot reach whom, as nodes report it. A report lasts for three heartbeats unless it is renewed; a link that was
 * reported for half of the time after which a silent node is dead is cut, and stays so for a few seconds more.
 */
import type { CutReport } from "./plan-cuts.ts";

interface Report {
  readonly sinceMs: number;
  atMs: number;
}

export interface ReachTimes {
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
}

/** After the last report of a cut link it is not used at once: what comes and goes costs more than what is away. */
const healMs = 5000;

export class Reach {
  readonly #times: ReachTimes;
  /** By reporter, then by suspect. */
  readonly #reports = new Map<number, Map<number, Report>>();
  /** By "from to": until when the link is not used. */
  readonly #cutUntilMs = new Map<string, number>();

  constructor(times: ReachTimes) {
    this.#times = times;
  }

  /** @returns suspects that this reporter had not reported before */
  hear(from: number, unreachable: readonly number[], nowMs: number): number[] {
    // What is no longer reported expires by itself: a reporter may be busy reconnecting.
    if (unreachable.length === 0) return [];
    const reports = this.#reports.get(from) ?? new Map<number, Report>();
    this.#reports.set(from, reports);
    const fresh: number[] = [];
    for (const to of unreachable) {
      if (to === from) continue;
      const report = reports.get(to);
      if (report === undefined || this.#isOver(report, nowMs)) {
        reports.set(to, { sinceMs: nowMs, atMs: nowMs });
        fresh.push(to);
      } else {
        report.atMs = nowMs;
      }
    }
    return fresh;
  }

  /** The reports that have held for a while, among these nodes; forgets those that are over. */
  reports(living: ReadonlySet<number>, nowMs: number): CutReport[] {
    const held: CutReport[] = [];
    for (const [from, reports] of this.#reports) {
      for (const [to, report] of reports) {
        if (!living.has(from) || !living.has(to) || this.#isOver(report, nowMs)) {
          reports.delete(to);
          continue;
        }
        const lastsMs = report.atMs - report.sinceMs;
        // To give a node up costs more than to use a link no more.
        if (lastsMs > this.#times.deadAfterMs) held.push({ from, to });
        if (lastsMs > this.#times.deadAfterMs / 2) {
          this.#cutUntilMs.set(keyOf(from, to), report.atMs + this.#lastsMs + healMs);
        }
      }
      if (reports.size === 0) this.#reports.delete(from);
    }
    for (const [key, untilMs] of this.#cutUntilMs) if (untilMs <= nowMs) this.#cutUntilMs.delete(key);
    return held;
  }

  /** Whether `from` counts as unable to reach `to`, as of the last call of `reports`. */
  isCut(from: number, to: number): boolean {
    return this.#cutUntilMs.size > 0 && this.#cutUntilMs.has(keyOf(from, to));
  }

  /** Links that are cut, as `[from, to]`. */
  cuts(): (readonly [number, number])[] {
    return [...this.#cutUntilMs.keys()].map((key) => {
      const [from, to] = key.split(" ").map(Number);
      return [from!, to!] as const;
    });
  }

  get #lastsMs(): number {
    return 3 * this.#times.heartbeatMs;
  }

  #isOver(report: Report, nowMs: number): boolean {
    return nowMs - report.atMs > this.#lastsMs;
  }
}

const keyOf = (from: number, to: number): string => `${from} ${to}`;
