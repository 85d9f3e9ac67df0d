import { MayflyError } from "../../src/errors.ts";
import type { CallOptions } from "../call-options.ts";
import { readCollection, updateNumber } from "../collections.ts";
import type { ClientContext } from "../context.ts";
import type { Counter } from "./interfaces.ts";
import { deadlineOf, type Queue, queueNamed } from "./queue-calls.ts";

export class CellCounter implements Counter {
  readonly #of: Queue;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(context: ClientContext, name: string) {
    this.#of = queueNamed(context, "counter", name);
  }

  async add(by = 1, options: CallOptions = {}): Promise<number> {
    const { context, key } = this.#of;
    const deadline = deadlineOf(this.#of, "add", options);
    return await updateNumber(context, key, "incr", [checkNumber(by)], deadline);
  }

  async value(options: CallOptions = {}): Promise<number> {
    const { context, key } = this.#of;
    return Number((await readCollection(context, key, ["len"], deadlineOf(this.#of, "value", options))) ?? 0);
  }

  async atLeast(least: number, options: CallOptions = {}): Promise<number> {
    const { context, key, what } = this.#of;
    const deadline = deadlineOf(this.#of, "atLeast", options);
    if (checkNumber(least) <= 0) {
      const value = Number((await readCollection(context, key, ["len"], deadline)) ?? 0);
      if (value >= least) return value;
    }
    const wait = { count: least, isEnough: (value: unknown) => Number(value) >= least };
    const value = Number((await readCollection(context, key, ["len"], deadline, wait)) ?? 0);
    if (value >= least) return value;
    throw new MayflyError(
      "DEADLINE_EXCEEDED",
      `${what} is at ${value}, and did not come to ${least} in time.`,
    );
  }
}

function checkNumber(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new MayflyError("INVALID_ARGUMENT", `${value} is no whole number from -(2^53 - 1) to 2^53 - 1.`);
}
