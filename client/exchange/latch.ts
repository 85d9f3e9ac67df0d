import { MayflyError } from "../../src/errors.ts";
import { elementsMax, nameBytesMax } from "../../src/wire/collection.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import type { CallOptions } from "../call-options.ts";
import { readCollection, updateNumber } from "../collections.ts";
import type { ClientContext } from "../context.ts";
import type { Deadline } from "../transport/deadline.ts";
import type { ArriveOptions, Barrier, Latch } from "./interfaces.ts";
import { deadlineOf, type Queue, queueNamed } from "./queue-calls.ts";

/** A latch as a set of those who have arrived: who arrives again counts once. Also a barrier. */
export class SetLatch implements Latch {
  readonly #of: Queue;
  readonly #parties: number;

  /**
   * @param kind `latch` or `barrier`
   * @throws MayflyError INVALID_ARGUMENT
   */
  constructor(context: ClientContext, kind: string, name: string, parties: number) {
    if (!(Number.isSafeInteger(parties) && parties >= 1 && parties <= elementsMax)) {
      const message = `A ${kind} is for 1 to ${elementsMax} who arrive, not ${parties}.`;
      throw new MayflyError("INVALID_ARGUMENT", message);
    }
    this.#of = queueNamed(context, kind, name);
    this.#parties = parties;
  }

  async arrive(options: ArriveOptions = {}): Promise<void> {
    await this.#arrive(options, deadlineOf(this.#of, "arrive", options));
  }

  async wait(options: CallOptions = {}): Promise<void> {
    await this.#wait(deadlineOf(this.#of, "wait", options));
  }

  async arriveAndWait(options: ArriveOptions = {}): Promise<void> {
    const deadline = deadlineOf(this.#of, "wait", options);
    await this.#arrive(options, deadline);
    await this.#wait(deadline);
  }

  async arrived(options: CallOptions = {}): Promise<number> {
    const { context, key } = this.#of;
    return countOf(await readCollection(context, key, ["len"], deadlineOf(this.#of, "arrived", options)));
  }

  async #arrive({ id }: ArriveOptions, deadline: Deadline): Promise<void> {
    const { context, key } = this.#of;
    const member = id === undefined ? context.rng.bytes(12) : Buffer.from(id, "utf8");
    if (member.length < 1 || member.length > nameBytesMax) {
      const message = `The id of who arrives has 1 to ${nameBytesMax} bytes, not ${member.length}.`;
      throw new MayflyError("INVALID_ARGUMENT", message);
    }
    await updateNumber(context, key, "sadd", [member], deadline);
  }

  async #wait(deadline: Deadline): Promise<void> {
    const { context, key, what } = this.#of;
    const parties = this.#parties;
    const isEnough = (value: RespValue): boolean => countOf(value) >= parties;
    const count = countOf(
      await readCollection(context, key, ["len"], deadline, { count: parties, isEnough }),
    );
    if (count >= parties) return;
    throw new MayflyError("DEADLINE_EXCEEDED", `${count} of ${parties} have arrived at ${what} in time.`);
  }
}

/** A latch that is only ever waited for by those who arrive. */
export class LatchBarrier implements Barrier {
  readonly #latch: SetLatch;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(context: ClientContext, name: string, parties: number) {
    this.#latch = new SetLatch(context, "barrier", name, parties);
  }

  async wait(options: ArriveOptions = {}): Promise<void> {
    await this.#latch.arriveAndWait(options);
  }
}

function countOf(value: RespValue | undefined): number {
  return value === undefined ? 0 : Number(value);
}
