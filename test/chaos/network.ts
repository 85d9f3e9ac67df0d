/** Where the processes of a run are, and who of them can reach whom. */

/** What stands for every other place in a cut. */
export const everywhere = "*";

/** One machine: a process there is reached at `host`. */
export interface Place {
  readonly name: string;
  readonly host: string;
  /** Port that a cache node listens on there; 0 takes a free one. */
  readonly port: number;
  /** The controller as it is reached from there. */
  readonly controllerUrl: string;
  /** The program and its arguments that run a program there. */
  command(program: string, args: readonly string[]): readonly [string, readonly string[]];
}

export interface Network {
  readonly kind: "namespaces" | "proxies";
  /** What this network cannot do, a sentence each. */
  readonly limits: readonly string[];
  addPlace(name: string): Promise<Place>;
  removePlace(name: string): Promise<void>;
  /** From now on nothing that `from` sends reaches `to`. Cuts of the same two add up; each is healed by itself. */
  cut(from: string, to: string): Promise<void>;
  heal(from: string, to: string): Promise<void>;
  close(): Promise<void>;
}

/** Names of the places that are no cache nodes. */
export const controllerPlace = "controller";
export const clientsPlace = "clients";
export const controllerPort = 7400;

/** Counts cuts, for those of two faults at once. */
export class Cuts {
  readonly #counts = new Map<string, number>();

  /** True for the first of its kind. */
  add(from: string, to: string): boolean {
    const name = `${from} > ${to}`;
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count === 1;
  }

  /** True for the last of its kind. */
  remove(from: string, to: string): boolean {
    const name = `${from} > ${to}`;
    const count = (this.#counts.get(name) ?? 0) - 1;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
    return count === 0;
  }

  has(from: string, to: string): boolean {
    return [`${from} > ${to}`, `${from} > ${everywhere}`, `${everywhere} > ${to}`].some((name) =>
      this.#counts.has(name),
    );
  }
}
