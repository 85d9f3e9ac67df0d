/** The object store of the fleet, as this node has it: opened when it is first needed, by the URL that came with the registration. */

import type { Clock, Rng } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";

export interface FleetStoreOptions {
  /** Undefined while the node has not registered, or where the fleet has no store. */
  readonly url: () => string | undefined;
  readonly open: (url: string) => Promise<ObjectStore>;
}

/** Opens whatever store a URL names; what that needs is loaded by then. */
export function openerOf(options: {
  readonly clock: Clock;
  readonly rng: Rng;
}): (url: string) => Promise<ObjectStore> {
  return async (url) => {
    const { openObjectStore } = await import("../../src/durable/open-store.ts");
    return await openObjectStore(url, options);
  };
}

export class FleetStore {
  readonly #options: FleetStoreOptions;
  #opening: Promise<ObjectStore> | undefined;
  #closed = false;

  constructor(options: FleetStoreOptions) {
    this.#options = options;
  }

  get exists(): boolean {
    return this.#options.url() !== undefined;
  }

  /** @throws MayflyError STORE_REFUSED where there is none; CLOSED; what opening it fails with, and then the next call tries again */
  open(): Promise<ObjectStore> {
    if (this.#closed) return Promise.reject(new MayflyError("CLOSED", "This node is stopping."));
    this.#opening ??= this.#open().catch((thrown: unknown) => {
      this.#opening = undefined;
      throw thrown;
    });
    return this.#opening;
  }

  async #open(): Promise<ObjectStore> {
    const url = this.#options.url();
    if (url === undefined) {
      throw new MayflyError(
        "STORE_REFUSED",
        "This fleet has no object store; start its controller with --store URL.",
      );
    }
    return await this.#options.open(url);
  }

  close(): void {
    this.#closed = true;
    void this.#opening?.then((store) => store.close()).catch(() => undefined);
  }
}
