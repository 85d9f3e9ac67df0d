/** A sort that runs over and over on the fleet: each proves its output right by itself, and all have one checksum. */
import { join } from "node:path";
import { type Clock, sleep } from "../../src/clock.ts";
import type { ChaosOptions } from "./command-line.ts";
import type { ChaosFleet } from "./fleet.ts";
import type { Place } from "./network.ts";
import { endedWithin, signal, startProcess } from "./processes.ts";

export interface SortCounts {
  sorts: number;
  /** Ended with an error, which says so and is no violation. */
  sortsFailed: number;
  /** What was wrong with the output of the others. */
  readonly wrong: string[];
}

const bytes = 20_000_000;
const endsWithinMs = 180_000;
const pauseMs = 2000;

export interface SortTools {
  readonly options: ChaosOptions;
  readonly fleet: ChaosFleet;
  readonly place: Place;
  readonly dir: string;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

export class Sorts {
  readonly counts: SortCounts = { sorts: 0, sortsFailed: 0, wrong: [] };
  #stopping = false;
  #running: Promise<void> = Promise.resolve();
  #checksum: string | undefined;

  begin(tools: SortTools): void {
    const again = async (): Promise<void> => {
      while (!this.#stopping) {
        await this.#sort(tools);
        if (!this.#stopping) await sleep(tools.clock, pauseMs);
      }
    };
    this.#running = again();
  }

  /** Resolves when the sort that is under way has ended. */
  async end(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #sort({ options, fleet, place, dir, clock, log }: SortTools): Promise<void> {
    const { mainPath, code } = options;
    const args = ["sort", "--controller", fleet.controllerUrl, "--generate", String(bytes), "--json"];
    const shape = ["--workers", "1", "--code", `${code.d}+${code.p}`];
    const running = startProcess(place, [mainPath, ...args, ...shape], join(dir, "sort.log"));
    let output = "";
    running.child.stdout?.on("data", (chunk: Buffer) => {
      output += String(chunk);
    });
    const exit = await endedWithin(running, clock, endsWithinMs);
    if (exit === undefined) signal(running, "SIGKILL");
    if (exit?.code !== 0) {
      this.counts.sortsFailed++;
      const why = `${running.complaints} ${output}`.trim().split("\n").at(-1)?.slice(0, 300);
      return log(`a sort failed: ${exit === undefined ? `not done after ${endsWithinMs} ms` : why}`);
    }
    this.counts.sorts++;
    const { records, ordered, checksum } = JSON.parse(output) as {
      records: number;
      ordered: boolean;
      checksum: string;
    };
    this.#checksum ??= checksum;
    if (records === bytes / 100 && ordered && checksum === this.#checksum) return;
    this.counts.wrong.push(
      `sort ${this.counts.sorts}: ${records} records, ordered: ${ordered}, checksum ${checksum} (first: ${this.#checksum})`,
    );
  }
}
