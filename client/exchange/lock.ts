import { MayflyError } from "../../src/errors.ts";
import { parseVersion } from "../../src/wire/version.ts";
import type { CallOptions } from "../call-options.ts";
import { deleteCell, readCell, writeCell } from "../cells.ts";
import { watchVersion } from "../collections.ts";
import type { ClientContext } from "../context.ts";
import type { Deadline } from "../transport/deadline.ts";
import type { HeldLock, Lock, LockOptions } from "./interfaces.ts";
import { deadlineOf, type Queue, queueNamed } from "./queue-calls.ts";

const leaseMsDefault = 30_000;
const leaseMsMax = 15 * 60_000;
/** Those who waited do not all ask in the same moment. */
const spreadMs = 20;

/** A lock as a key that expires: it is there while somebody holds the lock, and its first version is the fence. */
export class CellLock implements Lock {
  readonly #of: Queue;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(context: ClientContext, name: string) {
    this.#of = queueNamed(context, "lock", name);
  }

  async acquire(options: LockOptions = {}): Promise<HeldLock> {
    const { context, key } = this.#of;
    const deadline = deadlineOf(this.#of, "acquire", options);
    const ttlMs = checkLease(options.leaseMs);
    const write = { key, kind: "bytes", value: context.rng.bytes(12), ttlMs } as const;
    for (;;) {
      try {
        const version = await writeCell(context, { ...write, condition: { ifAbsent: true } }, deadline);
        return new Holding(this.#of, write.value, version, ttlMs);
      } catch (thrown) {
        if (MayflyError.from(thrown).code !== "KEY_EXISTS") throw thrown;
      }
      await this.#untilFree(deadline);
    }
  }

  async #untilFree(deadline: Deadline): Promise<void> {
    const { context, key, what } = this.#of;
    const held = await readCell(context, key, deadline).catch((thrown: unknown) => {
      if (MayflyError.from(thrown).code === "EXPIRED") return undefined;
      throw thrown;
    });
    if (held === undefined) return;
    for (let version: string | undefined = held.version; version !== undefined; ) {
      const next = await watchVersion(context, key, version, deadline);
      // Extended by its holder, or the time is over.
      if (next === version) {
        throw new MayflyError("DEADLINE_EXCEEDED", `Somebody else held ${what} all the time.`);
      }
      version = next;
    }
    await new Promise<void>((resolve) => {
      context.clock.after(spreadMs * context.rng.random(), resolve);
    });
  }
}

class Holding implements HeldLock {
  readonly fence: bigint;
  readonly #of: Queue;
  readonly #value: Uint8Array;
  readonly #leaseMs: number;
  #version: string;

  constructor(of: Queue, value: Uint8Array, version: string, leaseMs: number) {
    const { generation, sequence } = parseVersion(version);
    this.fence = (BigInt(generation) << 32n) | BigInt(sequence);
    this.#of = of;
    this.#value = value;
    this.#version = version;
    this.#leaseMs = leaseMs;
  }

  async extend(leaseMs = this.#leaseMs, options: CallOptions = {}): Promise<void> {
    const { context, key } = this.#of;
    const deadline = deadlineOf(this.#of, "extend", options);
    const condition = { ifVersion: this.#version };
    const write = { key, kind: "bytes", value: this.#value, condition, ttlMs: checkLease(leaseMs) } as const;
    this.#version = await writeCell(context, write, deadline);
  }

  async release(options: CallOptions = {}): Promise<boolean> {
    const { context, key } = this.#of;
    const deadline = deadlineOf(this.#of, "release", options);
    try {
      return await deleteCell(context, key, { ifVersion: this.#version }, deadline);
    } catch (thrown) {
      const { code } = MayflyError.from(thrown);
      if (code === "VERSION_MISMATCH" || code === "EXPIRED") return false;
      throw thrown;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

function checkLease(leaseMs = leaseMsDefault): number {
  if (Number.isSafeInteger(leaseMs) && leaseMs >= 1 && leaseMs <= leaseMsMax) return leaseMs;
  const message = `leaseMs is ${leaseMs}; it is a whole number from 1 to ${leaseMsMax} (15 minutes).`;
  throw new MayflyError("INVALID_ARGUMENT", message);
}
