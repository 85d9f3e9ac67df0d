/** Makes logged decisions again: with the policy of the log to check them, with another one to see what it would have done. */
import type { DecisionLog, LoggedDecision } from "./decision-log.ts";
import { planScale } from "./plan-scale.ts";
import type { ScaleDecision, ScaleState } from "./scale-inventory.ts";
import type { ScalePolicy } from "./scale-policy.ts";

export interface ReplayedDecision {
  readonly line: number;
  readonly atMs: number;
  readonly recorded: ScaleDecision;
  readonly decided: ScaleDecision;
  /** Why it is decided so now. */
  readonly reasons: readonly string[];
  readonly same: boolean;
  /** The line is as it was written. */
  readonly intact: boolean;
  /** "kind: grow, now hold"; empty when it is the same. */
  readonly differences: readonly string[];
}

export interface Replayer {
  replay(logged: LoggedDecision): ReplayedDecision;
}

/**
 * With `otherPolicy` undefined each decision is made from what its line says was remembered: all must be the same. With another
 * policy the memory is carried along, so that cool-downs are its own; but the fleet stays the one that was logged, which
 * knows nothing of what this policy would have started or drained.
 */
export function createReplayer(policy: ScalePolicy, otherPolicy?: ScalePolicy): Replayer {
  let carried: ScaleState | undefined;
  return {
    replay({ line, record, intact }) {
      const state = otherPolicy === undefined ? record.state : (carried ?? record.state);
      const plan = planScale(record.inventory, state, otherPolicy ?? policy);
      carried = plan.state;
      const differences = differencesOf(record.decision, plan.decision);
      return {
        ...{ line, atMs: record.atMs, recorded: record.decision, decided: plan.decision },
        ...{ reasons: plan.reasons, same: differences.length === 0, intact, differences },
      };
    },
  };
}

/** Of a whole log. */
export function replay(log: DecisionLog, otherPolicy?: ScalePolicy): ReplayedDecision[] {
  const replayer = createReplayer(log.policy, otherPolicy);
  return log.decisions.map((logged) => replayer.replay(logged));
}

export interface ReplaySummary {
  readonly decisions: number;
  readonly same: number;
  readonly different: number;
  /** Lines that are not as they were written. */
  readonly damaged: number;
  /** Nodes that were, and that would have been, aimed at: each target counts until the next line. */
  readonly recordedNodesMean: number;
  readonly decidedNodesMean: number;
}

export interface Summing {
  add(replayed: ReplayedDecision): void;
  summary(): ReplaySummary;
}

export function createSumming(): Summing {
  const counts = { decisions: 0, same: 0, different: 0, damaged: 0 };
  let last: ReplayedDecision | undefined;
  let ms = 0;
  let recorded = 0;
  let decided = 0;
  return {
    add(replayed) {
      counts.decisions++;
      counts[replayed.same ? "same" : "different"]++;
      if (!replayed.intact) counts.damaged++;
      if (last !== undefined) {
        const lastedMs = Math.max(0, replayed.atMs - last.atMs);
        ms += lastedMs;
        recorded += lastedMs * last.recorded.target;
        decided += lastedMs * last.decided.target;
      }
      last = replayed;
    },
    summary: () => ({
      ...counts,
      recordedNodesMean: ms > 0 ? recorded / ms : (last?.recorded.target ?? 0),
      decidedNodesMean: ms > 0 ? decided / ms : (last?.decided.target ?? 0),
    }),
  };
}

function differencesOf(recorded: ScaleDecision, decided: ScaleDecision): string[] {
  const keys = ["kind", "target", "start", "keep", "drain"] as const;
  return keys.flatMap((key) => {
    const [was, is] = [shown(recorded[key]), shown(decided[key])];
    return was === is ? [] : [`${key}: ${was}, now ${is}`];
  });
}

function shown(value: string | number | readonly string[]): string {
  if (typeof value !== "object") return String(value);
  return value.length === 0 ? "none" : value.join(" ");
}
