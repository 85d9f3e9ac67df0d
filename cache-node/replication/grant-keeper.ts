/** Renews the grants of all members of the rows that this node leads, and so notices who cannot be reached. */
import type { Cancel, Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import type { Grants } from "./grants.ts";
import type { Peers } from "./peers.ts";

export interface GrantKeeperOptions {
  readonly clock: Clock;
  readonly grants: Grants;
  readonly peers: Peers;
  readonly followers: () => ReadonlySet<NodeId>;
  /** Of the fleet: the longest that a grant may last. */
  readonly grantMs: () => number;
  /** How often a grant is renewed before it is over; 4 by default. */
  readonly renewals?: number | undefined;
  readonly onReached: (node: NodeId) => void;
  readonly onUnreachable: (node: NodeId) => void;
}

const renewalsDefault = 4;

export class GrantKeeper {
  readonly #options: GrantKeeperOptions;
  readonly #asking = new Set<NodeId>();
  #cancel: Cancel | undefined;
  #stopped = false;

  constructor(options: GrantKeeperOptions) {
    this.#options = options;
  }

  /** Asks all that have not been asked, now and then again and again. */
  start(): void {
    if (this.#stopped) return;
    this.#cancel?.();
    for (const node of this.#options.followers()) if (!this.#asking.has(node)) void this.#ask(node);
    const { clock, grantMs, renewals = renewalsDefault } = this.#options;
    this.#cancel = clock.after(grantMs() / renewals, () => this.start(), true);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #ask(node: NodeId): Promise<void> {
    const { clock, grants, peers, onReached, onUnreachable } = this.#options;
    const askedMs = clock.now();
    const askedWallMs = clock.wallMs();
    this.#asking.add(node);
    try {
      grants.hold(node, askedMs, askedWallMs, await peers.grant(node));
      onReached(node);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code === "NODE_UNREACHABLE" || error.code === "DEADLINE_EXCEEDED") onUnreachable(node);
      else onReached(node);
      if (error.code === "MOVED") void peers.exchangeMaps(node);
    } finally {
      this.#asking.delete(node);
    }
  }
}
