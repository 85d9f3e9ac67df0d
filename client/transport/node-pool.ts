/**
 * The connections of one client: to each node it uses one for small and one for bulk traffic, opened when first
 * needed. A node that could not be reached is left alone for a moment, so that callers turn elsewhere at once.
 */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Address, Epoch } from "../../src/placement/types.ts";
import { Connection, type Credentials } from "./connection.ts";

export type Traffic = "small" | "bulk";

export interface NodePoolOptions {
  readonly clock: Clock;
  readonly credentials: () => Credentials;
  readonly epoch: () => Epoch;
  readonly onMap: (encoded: Uint8Array) => void;
}

const leaveAloneMs = 200;

export class NodePool {
  readonly #options: NodePoolOptions;
  readonly #connections = new Map<string, Connection>();
  readonly #failedAtMs = new Map<string, number>();
  #closed = false;

  constructor(options: NodePoolOptions) {
    this.#options = options;
  }

  /**
   * The connection to the process that listens at `address`. Throws NODE_UNREACHABLE without trying when the last
   * attempt failed less than 200 ms ago.
   */
  connection(address: Address, traffic: Traffic): Connection {
    if (this.#closed) throw new MayflyError("CLOSED", "This client is closed; connect() again.");
    const place = `${address.host}:${address.port}`;
    const key = `${traffic} ${place}`;
    const existing = this.#connections.get(key);
    if (existing !== undefined) return existing;
    if (this.failedLately(address)) {
      throw new MayflyError("NODE_UNREACHABLE", `node ${place} could not be reached a moment ago.`);
    }
    const connection = new Connection({
      address,
      credentials: this.#options.credentials(),
      epoch: this.#options.epoch(),
      onMap: this.#options.onMap,
      onClosed: () => {
        this.#connections.delete(key);
        if (!this.#closed) this.#failedAtMs.set(place, this.#options.clock.now());
      },
    });
    this.#connections.set(key, connection);
    return connection;
  }

  /** The last attempt to reach the process there failed less than 200 ms ago. */
  failedLately(address: Address): boolean {
    const failedAtMs = this.#failedAtMs.get(`${address.host}:${address.port}`);
    return failedAtMs !== undefined && this.#options.clock.now() - failedAtMs < leaveAloneMs;
  }

  /** Ends the connections to nodes that are no longer in the map. */
  keepOnly(addresses: readonly Address[]): void {
    const places = new Set(addresses.map(({ host, port }) => `${host}:${port}`));
    for (const [key, connection] of this.#connections) {
      const place = key.slice(key.indexOf(" ") + 1);
      if (!places.has(place)) connection.close();
    }
    for (const place of this.#failedAtMs.keys()) if (!places.has(place)) this.#failedAtMs.delete(place);
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#connections.values()]) connection.close();
  }
}
