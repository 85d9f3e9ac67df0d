/** A function of the simulation: one call after the other, each sent again until it is answered or its time is over. */

import { cellName } from "../../cache-node/store/cell.ts";
import { Session } from "../../client/session.ts";
import type { Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber } from "../../src/ids.ts";
import { compareEpochs, formatEpoch } from "../../src/placement/epoch.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import { formatVersion } from "../../src/wire/version.ts";
import type { RegisterOp, RegisterOperation, RegisterResult } from "../history/register-model.ts";
import type { SimNode } from "./node.ts";
import { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

export const callTimeoutMs = 4000;
const attemptMs = 700;
const pauseMs = 30;

interface Answer {
  readonly result: RegisterResult;
  readonly version: string | undefined;
}

export class SimClient {
  readonly process: SimProcess;
  readonly history: RegisterOperation[] = [];
  /** Calls that failed for good, by code. */
  readonly errors = new Map<string, number>();
  readonly #world: World;
  readonly #rng: Rng;
  readonly #session: Session;
  readonly #job: JobNumber;
  readonly #seen = new Map<string, string>();
  #map: FleetMap | undefined;
  #values = 0;

  constructor(world: World, name: string, job: JobNumber, rng: Rng) {
    this.#world = world;
    this.#rng = rng;
    this.#job = job;
    this.process = new SimProcess(world.scheduler, name);
    this.#session = new Session(rng);
  }

  /** Calls until `count` calls are over. @param pace mean pause between two, in milliseconds */
  async work(keys: readonly string[], count: number, pace: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.#pause(pace * 2 * this.#rng.random());
      const key = keys[Math.floor(this.#rng.random() * keys.length)]!;
      await this.call(key, this.#draw(key));
    }
  }

  async call(key: string, op: RegisterOp, timeoutMs: number = callTimeoutMs): Promise<Answer | undefined> {
    const invokedAtMs = this.#world.scheduler.nowMs;
    const record = { client: this.process.name, key, op, invokedAtMs };
    const sequence = this.#session.begin();
    const untilMs = invokedAtMs + timeoutMs;
    try {
      for (;;) {
        const answer = await this.#attempt(key, op, sequence, untilMs);
        if (answer !== undefined) {
          const returnedAtMs = this.#world.scheduler.nowMs;
          this.history.push({ ...record, returnedAtMs, result: answer.result });
          if (answer.version !== undefined) this.#seen.set(key, answer.version);
          return answer;
        }
        if (this.#world.scheduler.nowMs >= untilMs) {
          // What only looks has no effect, so that it never returned says nothing.
          if (op.kind !== "get") this.history.push({ ...record, returnedAtMs: undefined, result: undefined });
          this.#count("DEADLINE_EXCEEDED");
          return undefined;
        }
        await this.#pause(pauseMs * (0.5 + this.#rng.random()));
      }
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      this.#count(error.code);
      if (error.code === "INTERNAL") throw thrown;
      if (op.kind !== "get") this.history.push({ ...record, returnedAtMs: undefined, result: undefined });
      return undefined;
    } finally {
      this.#session.end(sequence);
    }
  }

  #count(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  #draw(key: string): RegisterOp {
    const at = this.#rng.random();
    const value = `${this.process.name}.${++this.#values}`;
    const seen = this.#seen.get(key);
    if (at < 0.45) return { kind: "get" };
    if (at < 0.7) return { kind: "put", value };
    if (at < 0.85 && seen !== undefined) return { kind: "put", value, ifVersion: seen };
    if (at < 0.93) return { kind: "put", value, ifAbsent: true };
    return { kind: "delete" };
  }

  /** Undefined when the call is worth another attempt. */
  async #attempt(
    key: string,
    op: RegisterOp,
    sequence: number,
    untilMs: number,
  ): Promise<Answer | undefined> {
    const { network, scheduler } = this.#world;
    const group = groupOf(Buffer.from(key));
    const primary = this.#map?.rows[group]?.nodes[0];
    const node = primary === undefined ? undefined : this.#world.nodeOf(this.#map, primary);
    const leftMs = Math.min(attemptMs, untilMs - scheduler.nowMs);
    if (leftMs <= 0) return undefined;
    try {
      if (node === undefined) throw new MayflyError("MOVED", "no primary");
      const sent = { epoch: formatEpoch(this.#map!.epoch), floor: this.#session.floor };
      return await network.call(this.process, node.process, leftMs, () => {
        if (node.id !== primary) throw new MayflyError("MOVED", "another process");
        return this.#carryOut(node, key, op, sequence, sent);
      });
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code === "KEY_EXISTS") return { result: { kind: "exists" }, version: undefined };
      if (error.code === "VERSION_MISMATCH") return { result: { kind: "mismatch" }, version: undefined };
      const { kind, code } = error;
      if (kind !== "moved" && kind !== "busy" && code !== "UNAVAILABLE" && code !== "NODE_UNREACHABLE") {
        if (code !== "DEADLINE_EXCEEDED") throw error;
      }
      await this.#refresh();
      return undefined;
    }
  }

  /** On the node, as its commands do it. */
  async #carryOut(
    node: SimNode,
    key: string,
    op: RegisterOp,
    sequence: number,
    sent: { readonly epoch: string; readonly floor: number },
  ): Promise<Answer> {
    const bytes = Buffer.from(key);
    const { primary } = node.replicas;
    node.jobs.touch(this.#job);
    if (op.kind === "get") {
      const { cell, ready } = primary.read(this.#job, bytes);
      const held = cell?.block === undefined ? undefined : Buffer.from(cell.block.view()).toString();
      const version = cell === undefined ? undefined : formatVersion(cell.version);
      await ready;
      return held === undefined
        ? { result: { kind: "absent" }, version: undefined }
        : { result: { kind: "value", value: held }, version };
    }
    const mutation = {
      ...{ job: this.#job, session: Buffer.from(this.#session.id).toString("latin1"), sequence },
      ...{ floor: sent.floor, key: bytes, name: cellName(bytes), epoch: sent.epoch },
    };
    if (op.kind === "delete") {
      const existed = await primary.delete({ ...mutation, condition: "" });
      return { result: { kind: existed ? "deleted" : "absent" }, version: undefined };
    }
    if (op.kind !== "put") throw new RangeError(`no client does ${op.kind}`);
    const condition = op.ifAbsent === true ? "absent" : (op.ifVersion ?? "");
    const made = await primary.set({ ...mutation, condition }, "bytes", Buffer.from(op.value), 0);
    const version = formatVersion(made);
    return { result: { kind: "written", version }, version };
  }

  /** From some node that answers. */
  async #refresh(): Promise<void> {
    const living = this.#world.nodes;
    const node = living[Math.floor(this.#rng.random() * living.length)]!;
    try {
      const map = await this.#world.network.call(this.process, node.process, attemptMs / 2, () => node.map);
      if (map === undefined) return;
      if (this.#map === undefined || compareEpochs(map.epoch, this.#map.epoch) > 0) this.#map = map;
    } catch {
      // Another one next time.
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.scheduler.after(ms, resolve));
  }
}
