/**
 * The connections of one client: to each node it uses one for small and one for bulk traffic, opened when first
 * needed. A node that could not be reached is left alone for a moment, so that callers turn elsewhere at once.
 */
import type { Cancel, Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Address, Epoch } from "../../src/placement/types.ts";
import { Connection, type Credentials } from "./connection.ts";

export type Traffic = "small" | "bulk";

export interface NodePoolOptions {
  readonly clock: Clock;
  readonly credentials: () => Credentials;
  readonly epoch: () => Epoch;
  readonly onMap: (encoded: Uint8Array) => void;
  /** Called when some node begins to owe an answer; the result is called when that is no longer awaited. */
  readonly onWaiting?: () => Cancel;
}

const leaveAloneMs = 200;

export class NodePool {
  readonly #options: NodePoolOptions;
  readonly #connections = new Map<string, Connection>();
  /** The same by the entry of the map, which saves making the key of each request. */
  readonly #ofEntry = { small: new WeakMap<Address, Connection>(), bulk: new WeakMap<Address, Connection>() };
  readonly #failures = new Map<string, { readonly atMs: number; readonly error: MayflyError }>();
  #closed = false;

  constructor(options: NodePoolOptions) {
    this.#options = options;
  }

  /**
   * The connection to the process that listens at `address`. When the last one failed less than 200 ms ago it throws
   * without trying: NODE_UNREACHABLE, or the very error when it is one that no repetition mends (a bad token).
   */
  connection(address: Address, traffic: Traffic): Connection {
    const known = this.#ofEntry[traffic].get(address);
    if (known !== undefined && !known.closed) return known;
    const connection = this.#connectionTo(address, traffic);
    this.#ofEntry[traffic].set(address, connection);
    return connection;
  }

  #connectionTo(address: Address, traffic: Traffic): Connection {
    if (this.#closed) throw new MayflyError("CLOSED", "This client is closed; connect() again.");
    const place = `${address.host}:${address.port}`;
    const key = `${traffic} ${place}`;
    const existing = this.#connections.get(key);
    if (existing !== undefined) return existing;
    if (this.failedLately(address)) {
      const cause = this.#failures.get(place)?.error;
      if (cause?.kind === "invalid") throw cause;
      throw new MayflyError("NODE_UNREACHABLE", `node ${place} could not be reached a moment ago.`, {
        cause,
      });
    }
    const connection = new Connection({
      address,
      credentials: this.#options.credentials(),
      epoch: this.#options.epoch(),
      onMap: this.#options.onMap,
      onWaiting: this.#options.onWaiting,
      onClosed: (error) => {
        this.#connections.delete(key);
        if (!this.#closed) this.#failures.set(place, { atMs: this.#options.clock.now(), error });
      },
    });
    this.#connections.set(key, connection);
    return connection;
  }

  /** The last attempt to reach the process there failed less than 200 ms ago. */
  failedLately(address: Address): boolean {
    if (this.#failures.size === 0) return false;
    const failure = this.#failures.get(`${address.host}:${address.port}`);
    return failure !== undefined && this.#options.clock.now() - failure.atMs < leaveAloneMs;
  }

  /** Ends the connections to nodes that are no longer in the map. */
  keepOnly(addresses: readonly Address[]): void {
    const places = new Set(addresses.map(({ host, port }) => `${host}:${port}`));
    for (const [key, connection] of this.#connections) {
      const place = key.slice(key.indexOf(" ") + 1);
      if (places.has(place)) continue;
      connection.close(new MayflyError("NODE_UNREACHABLE", `node ${place} is no longer in the map.`));
    }
    for (const place of this.#failures.keys()) if (!places.has(place)) this.#failures.delete(place);
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#connections.values()]) connection.close();
  }
}
