/** A function of the simulation: the real SDK over simulated connections, one call after the other. */
import type { ClientContext } from "../../client/context.ts";
import { Job } from "../../client/job.ts";
import { Session } from "../../client/session.ts";
import { startDeadline } from "../../client/transport/deadline.ts";
import type { Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, objectIdHex } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { inlineBytesMax, stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import type { BrokenRead } from "../history/no-loss.ts";
import type { RegisterOp, RegisterResult } from "../history/register-model.ts";
import { SimPool } from "./pool.ts";
import { SimProcess } from "./process.ts";
import { simStripeMemory } from "./stripe-memory.ts";
import { bytesOf, nameOf, readValue, valueBytesMin } from "./values.ts";
import { SimFleetView } from "./view.ts";
import type { World } from "./world.ts";

export const callTimeoutMs = 4000;
const stripesMax = 3;

export type Result = RegisterResult | BrokenRead;

/** One call; completed when it returns. */
export interface Call {
  readonly client: string;
  readonly key: string;
  readonly op: RegisterOp;
  readonly invokedAtMs: number;
  returnedAtMs: number | undefined;
  result: Result | undefined;
  /** The code of what it failed with, if so. */
  error: string | undefined;
}

/** A read by a ref that was held for a while. What it may answer follows from what became of its key. */
export interface RefRead {
  readonly client: string;
  readonly key: string;
  readonly value: string;
  readonly invokedAtMs: number;
  readonly returnedAtMs: number;
  readonly freed: boolean;
}

/** What happens to a writer when it is about to commit an object. */
export type Doom = "dies before" | "dies after" | { readonly frozenMs: number };

interface Held {
  readonly ref: Ref;
  readonly key: string;
  readonly value: string;
}

const refsHeldMax = 8;

export class SimClient {
  readonly process: SimProcess;
  readonly job: Job;
  readonly calls: Call[] = [];
  readonly refReads: RefRead[] = [];
  /** Refs of objects that this client has put, some of them old. */
  readonly held: Held[] = [];
  doom: Doom | undefined;
  onDead: () => void = () => {};
  /** Of what it puts; 0 for ever. */
  ttlMs = 0;
  /** Calls that it has still to do. */
  left = 0;
  readonly #world: World;
  readonly #rng: Rng;
  readonly #view: SimFleetView;
  readonly #seen = new Map<string, string>();
  #values = 0;

  constructor(world: World, name: string, job: JobNumber, rng: Rng) {
    this.#world = world;
    this.#rng = rng;
    this.process = new SimProcess(world.scheduler, name);
    const { clock } = this.process;
    const pool = new SimPool(world, this.process, () => ({ scope: "job", job, node: 0, expiresAtMs: 1e15 }));
    pool.onSend = (command, args) => {
      if (command === "MF.CELL.SET" && args[6] === "ref") this.#meetDoom();
    };
    this.#view = new SimFleetView(world, this.process, pool, rng);
    const context: ClientContext = {
      ...{ clock, rng, job, code: world.code, pool: pool.asPool, session: new Session(rng) },
      view: this.#view,
      memory: simStripeMemory,
      store: { url: undefined },
    };
    const noController = (): never => {
      throw new RangeError("no simulated client asks the controller");
    };
    this.job = new Job(context, noController, "", () => {});
  }

  /** Calls until none are left. @param pace mean pause between two, in milliseconds */
  async work(keys: readonly string[], pace: number): Promise<void> {
    for (; this.left > 0; this.left--) {
      await this.#pause(pace * 2 * this.#rng.random());
      // Not only those who failed know the newest map.
      if (this.#rng.random() < 0.1) await this.#refresh();
      const held = this.#rng.random() < 0.12 ? this.#pick(this.held) : undefined;
      const key = this.#pick(keys)!;
      if (held === undefined) await this.call(key, this.#draw(key));
      else await this.readRef(held);
    }
  }

  async call(key: string, op: RegisterOp, timeoutMs: number = callTimeoutMs): Promise<Call> {
    const { scheduler, log } = this.#world;
    const call: Call = {
      ...{ client: this.process.name, key, op, invokedAtMs: scheduler.nowMs },
      ...{ returnedAtMs: undefined, result: undefined, error: undefined },
    };
    this.calls.push(call);
    try {
      call.result = await this.#carryOut(key, op, timeoutMs);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      call.result = resultOf(op, error);
      call.error = error.code;
      log(`${this.process.name}: ${op.kind} ${key} fails: ${error.code} ${error.message.slice(0, 160)}`);
      if (error.kind === "internal") throw thrown;
    }
    if (call.result !== undefined) call.returnedAtMs = scheduler.nowMs;
    if (call.result?.kind === "lost") this.#world.violate(`${call.client} was told that key ${key} is lost`);
    return call;
  }

  async readRef({ ref, key, value }: Held, timeoutMs: number = callTimeoutMs): Promise<boolean> {
    const { scheduler, violate, log } = this.#world;
    const what = `${this.process.name}, who reads ${value} of key ${key} by its ref,`;
    const invokedAtMs = scheduler.nowMs;
    const note = (freed: boolean): boolean => {
      const times = { invokedAtMs, returnedAtMs: scheduler.nowMs };
      this.refReads.push({ client: this.process.name, key, value, freed, ...times });
      return true;
    };
    try {
      const read = readValue(await this.job.get(ref, { timeoutMs }));
      if (!read.right) violate(`${what} gets ${read.what}`);
      else if (read.name !== value) violate(`${what} gets ${read.name}`);
      return note(false);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      log(`${what} fails: ${error.code} ${error.message.slice(0, 160)}`);
      if (error.code === "FREED") return note(true);
      if (error.code === "LOST") violate(`${what} is told that it is lost`);
      if (error.kind === "internal") throw thrown;
      return false;
    }
  }

  async #carryOut(key: string, op: RegisterOp, timeoutMs: number): Promise<Result> {
    const { job } = this;
    switch (op.kind) {
      case "get": {
        const read = readValue(await job.get(key, { timeoutMs }));
        if (!read.right) return { kind: "wrong-bytes", what: read.what };
        return { kind: "value", value: read.name };
      }
      case "stat": {
        const { version } = await job.stat(key, { timeoutMs });
        this.#seen.set(key, version);
        return { kind: "version", version };
      }
      case "delete": {
        const { ifVersion } = op;
        const existed = await job.delete(key, { timeoutMs, ...(ifVersion !== undefined && { ifVersion }) });
        return { kind: existed ? "deleted" : "absent" };
      }
      case "put": {
        const { ifAbsent, ifVersion, value } = op;
        const condition = { ...(ifAbsent && { ifAbsent }), ...(ifVersion !== undefined && { ifVersion }) };
        const lasting = this.ttlMs > 0 ? { ttlMs: this.ttlMs } : {};
        const ref = await job.put(key, bytesOf(value), { timeoutMs, ...lasting, ...condition });
        if (!ref.inline) this.#hold({ ref, key, value });
        this.#seen.set(key, ref.version!);
        return { kind: "written", version: ref.version! };
      }
      default:
        throw new RangeError(`no client does ${op.kind}`);
    }
  }

  async #refresh(): Promise<void> {
    const deadline = startDeadline(this.process.clock, callTimeoutMs, undefined, "a newer map");
    await this.#view.refresh(deadline).catch(() => undefined);
  }

  #hold(held: Held): void {
    const object = objectIdHex(held.ref.object).slice(0, 10);
    this.#world.log(`${this.process.name}: ${held.value} at ${held.key} is object ${object}`);
    this.held.push(held);
    if (this.held.length > refsHeldMax) this.held.splice(Math.floor(this.#rng.random() * refsHeldMax), 1);
  }

  #meetDoom(): void {
    const { doom, process } = this;
    if (doom === undefined) return;
    this.doom = undefined;
    const { log, scheduler } = this.#world;
    if (typeof doom === "object") {
      log(`${process.name} is frozen before its commit`);
      process.pause();
      scheduler.after(doom.frozenMs, () => {
        log(`${process.name} goes on`);
        process.resume(this.#rng.random() < 0.7);
      });
      return;
    }
    log(`${process.name} ${doom} its commit`);
    const die = (): void => {
      process.crash();
      this.onDead();
    };
    if (doom === "dies before") die();
    else scheduler.after(0, die);
  }

  #draw(key: string): RegisterOp {
    const at = this.#rng.random();
    const seen = this.#seen.get(key);
    if (at < 0.35) return { kind: "get" };
    if (at < 0.4) return { kind: "stat" };
    const value = nameOf(this.process.name, ++this.#values, this.#drawSize());
    if (at < 0.72) return { kind: "put", value };
    if (at < 0.85 && seen !== undefined) return { kind: "put", value, ifVersion: seen };
    if (at < 0.93) return { kind: "put", value, ifAbsent: true };
    return { kind: "delete" };
  }

  #drawSize(): number {
    const { random } = this.#rng;
    if (!this.#world.withObjects || random() < 0.45)
      return valueBytesMin + Math.floor(random() * (inlineBytesMax - valueBytesMin));
    const stripe = stripeBytesMax(this.#world.code);
    const stripes = random() < 0.6 ? random() : random() * stripesMax;
    return Math.max(inlineBytesMax + 1, Math.floor(stripes * stripe));
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#rng.random() * items.length)];
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.scheduler.after(ms, () => this.process.do(resolve)));
  }
}

/** What an error tells of what the key held; undefined when nobody knows what became of the call. */
function resultOf(op: RegisterOp, { code }: MayflyError): Result | undefined {
  switch (code) {
    case "KEY_EXISTS":
      return { kind: "exists" };
    case "VERSION_MISMATCH":
      return { kind: "mismatch" };
    case "NOT_FOUND":
      return { kind: "absent" };
    case "LOST":
      return op.kind === "get" || op.kind === "stat" ? { kind: "lost" } : undefined;
    default:
      return undefined;
  }
}
