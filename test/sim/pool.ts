/** The connections of one simulated process: requests by the simulated network, with the errors of real connections. */
import type { Argument, RequestOptions } from "../../client/transport/connection.ts";
import { leftMs, overError } from "../../client/transport/deadline.ts";
import type { NodePool, Traffic } from "../../client/transport/node-pool.ts";
import type { TokenClaims } from "../../src/auth/token.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Address } from "../../src/placement/types.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import { encodeRequest, receive } from "./commands.ts";
import type { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

/** A connection that brings no answer for so long is broken: real ones lose nothing until then. */
const brokenAfterMs = 700;
/** As real pools do it. */
const leaveAloneMs = 200;

interface Open {
  readonly port: number;
  readonly fail: (error: MayflyError) => void;
}

export class SimPool {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #claims: () => TokenClaims;
  readonly #failedAtMs = new Map<number, number>();
  readonly #open = new Set<Open>();
  /** Called before each request is sent. */
  onSend: (name: string, args: readonly Argument[]) => void = () => {};

  constructor(world: World, process: SimProcess, claims: () => TokenClaims) {
    this.#world = world;
    this.#process = process;
    this.#claims = claims;
  }

  /** As the type that the real code knows. */
  get asPool(): NodePool {
    return this as unknown as NodePool;
  }

  connection(
    { port }: Address,
    traffic: Traffic,
  ): {
    request: (name: string, args: readonly Argument[], options: RequestOptions) => Promise<RespValue>;
  } {
    if (this.failedLately({ host: "sim", port }))
      throw unreachable(port, "could not be reached a moment ago");
    return { request: (name, args, options) => this.#request(port, traffic, name, args, options) };
  }

  failedLately({ port }: Address): boolean {
    const atMs = this.#failedAtMs.get(port);
    return atMs !== undefined && this.#process.clock.now() - atMs < leaveAloneMs;
  }

  keepOnly(addresses: readonly Address[]): void {
    if (this.#open.size === 0) return;
    const ports = new Set(addresses.map(({ port }) => port));
    for (const { port, fail } of [...this.#open]) {
      if (!ports.has(port)) fail(unreachable(port, "is no longer in the map"));
    }
  }

  #request(
    port: number,
    traffic: Traffic,
    name: string,
    args: readonly Argument[],
    { deadline, targetOf }: RequestOptions,
  ): Promise<RespValue> {
    const over = overError(deadline);
    if (over !== undefined) return Promise.reject(over);
    const sent = encodeRequest(name, args);
    this.onSend(name, args);
    return new Promise((resolve, reject) => {
      const { signal } = deadline;
      let open = true;
      const settle = (): boolean => {
        const was = open;
        open = false;
        this.#open.delete(entry);
        signal?.removeEventListener("abort", onAbort);
        return was;
      };
      const fail = (error: unknown): void => {
        if (settle()) reject(error);
      };
      const onAbort = (): void => fail(overError(deadline));
      const entry: Open = { port, fail };
      this.#open.add(entry);
      signal?.addEventListener("abort", onAbort, { once: true });
      // One that stands still sends it when it goes on.
      this.#process.do(() => {
        this.#send(port, traffic, sent, Math.min(leftMs(deadline), brokenAfterMs)).then(
          (value) => {
            if (settle()) resolve(receive(value, targetOf));
          },
          (thrown: unknown) => fail(overError(deadline) ?? this.#noted(port, MayflyError.from(thrown))),
        );
      });
    });
  }

  #send(port: number, traffic: Traffic, sent: readonly Buffer[], timeoutMs: number): Promise<RespValue> {
    const target = this.#world.listenerAt(port);
    if (target === undefined) return Promise.reject(unreachable(port, "does not listen"));
    const claims = this.#claims();
    const carryOut = (): RespValue | Promise<RespValue> => target.carryOut(claims, sent);
    return this.#world.network.call(this.#process, target.process, timeoutMs, carryOut, traffic === "bulk");
  }

  #noted(port: number, error: MayflyError): MayflyError {
    const isBroken = error.code === "DEADLINE_EXCEEDED" || error.code === "NODE_UNREACHABLE";
    if (!isBroken) return error;
    this.#failedAtMs.set(port, this.#process.clock.now());
    return unreachable(port, error.message);
  }
}

function unreachable(port: number, why: string): MayflyError {
  return new MayflyError("NODE_UNREACHABLE", `node at ${port}: ${why}`);
}
