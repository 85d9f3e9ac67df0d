/** Requests between processes of the simulation: late, lost, doubled, overtaken, and cut in either direction. */
import type { Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

export interface NetworkFaults {
  /** Shares of messages. */
  lost: number;
  doubled: number;
  slow: number;
  /** What a slow one takes at most. */
  slowMs: number;
}

export const noFaults: NetworkFaults = { lost: 0, doubled: 0, slow: 0, slowMs: 400 };

const fastMs = 0.2;
const fastSpreadMs = 1;

export class SimNetwork {
  readonly faults: NetworkFaults = { ...noFaults };
  readonly #scheduler: Scheduler;
  readonly #rng: Rng;
  /** `from>to`; `*` for all. */
  readonly #cuts = new Set<string>();
  /** By pair: nothing that is sent later arrives before, unless it overtakes. */
  readonly #lastArrivalMs = new Map<string, number>();

  constructor(scheduler: Scheduler, rng: Rng) {
    this.#scheduler = scheduler;
    this.#rng = rng;
  }

  /** Messages from one to the other are lost from now on. */
  cut(from: SimProcess | "*", to: SimProcess | "*"): void {
    this.#cuts.add(`${nameOf(from)}>${nameOf(to)}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: SimProcess, to: SimProcess): boolean {
    if (this.#cuts.size === 0) return false;
    return (
      this.#cuts.has(`${from.name}>${to.name}`) ||
      this.#cuts.has(`${from.name}>*`) ||
      this.#cuts.has(`*>${to.name}`)
    );
  }

  /**
   * Asks another process. What it answers, or throws, comes back if nothing is lost.
   * @param inOrder on a connection: nothing comes twice, or before what was sent before it
   * @throws MayflyError NODE_UNREACHABLE when the process is dead; DEADLINE_EXCEEDED after `timeoutMs` of the asking clock
   */
  call<T>(
    from: SimProcess,
    to: SimProcess,
    timeoutMs: number,
    handle: () => T | Promise<T>,
    inOrder = false,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const stopTimer = from.clock.after(timeoutMs, () =>
        reject(new MayflyError("DEADLINE_EXCEEDED", `${to.name} has not answered ${from.name}.`)),
      );
      const answer = (settle: () => void): void => {
        this.#send(to, from, () =>
          from.do(() => {
            stopTimer();
            settle();
          }),
        );
      };
      const arrive = (): void => {
        if (!to.alive) {
          const gone = new MayflyError("NODE_UNREACHABLE", `${to.name} is not there.`);
          answer(() => reject(gone));
          return;
        }
        to.do(() => {
          let result: T | Promise<T>;
          try {
            result = handle();
          } catch (thrown) {
            answer(() => reject(thrown));
            return;
          }
          Promise.resolve(result).then(
            (value) => {
              if (to.alive) answer(() => resolve(value));
            },
            (thrown: unknown) => {
              if (to.alive) answer(() => reject(thrown));
            },
          );
        });
      };
      this.#send(from, to, arrive, inOrder);
    });
  }

  #send(from: SimProcess, to: SimProcess, arrive: () => void, inOrder = false): void {
    const { lost, doubled, slow } = this.faults;
    const chance = (share: number): boolean => share > 0 && this.#rng.random() < share;
    if (this.isCut(from, to) || chance(lost)) return;
    this.#deliver(from, to, chance(slow), inOrder, arrive);
    if (!inOrder && chance(doubled)) this.#deliver(from, to, true, false, arrive);
  }

  #deliver(from: SimProcess, to: SimProcess, slow: boolean, inOrder: boolean, arrive: () => void): void {
    const random = this.#rng.random();
    const delayMs = fastMs + fastSpreadMs * random * random + (slow ? this.faults.slowMs * random : 0);
    let atMs = this.#scheduler.nowMs + delayMs;
    if (!slow || inOrder) {
      const pair = `${from.name}${inOrder ? "=" : ">"}${to.name}`;
      atMs = Math.max(atMs, this.#lastArrivalMs.get(pair) ?? 0);
      this.#lastArrivalMs.set(pair, atMs);
    }
    // What was cut on its way does not arrive.
    this.#scheduler.at(atMs, () => {
      if (!this.isCut(from, to)) arrive();
    });
  }
}

function nameOf(process: SimProcess | "*"): string {
  return process === "*" ? "*" : process.name;
}
