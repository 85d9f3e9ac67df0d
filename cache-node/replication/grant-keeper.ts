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
/** While maps follow each other closely the two may have different ones more than once. */
const triesMax = 3;

export class GrantKeeper {
  readonly #options: GrantKeeperOptions;
  readonly #asking = new Set<NodeId>();
  #cancel: Cancel | undefined;
  #stopped = false;

  constructor(options: GrantKeeperOptions) {
    this.#options = options;
  }

  /** To be called with each new map: asks those whose grants this node does not hold. All are asked again and again. */
  start(): void {
    if (this.#stopped) return;
    const { followers, grants } = this.#options;
    for (const node of followers()) if (!grants.holds(node)) this.#ask(node);
    if (this.#cancel === undefined) this.#askAllLater();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #askAllLater(): void {
    const { clock, followers, grantMs, renewals = renewalsDefault } = this.#options;
    const askAll = (): void => {
      if (this.#stopped) return;
      for (const node of followers()) this.#ask(node);
      this.#askAllLater();
    };
    this.#cancel = clock.after(grantMs() / renewals, askAll, true);
  }

  #ask(node: NodeId): void {
    if (this.#asking.has(node)) return;
    this.#asking.add(node);
    this.#askUntilSettled(node).finally(() => this.#asking.delete(node));
  }

  async #askUntilSettled(node: NodeId): Promise<void> {
    const { clock, grants, peers, followers, onReached, onUnreachable } = this.#options;
    for (let tries = 1; !this.#stopped; tries++) {
      const askedMs = clock.now();
      const askedWallMs = clock.wallMs();
      try {
        grants.hold(node, askedMs, askedWallMs, await peers.grant(node));
        onReached(node);
        return;
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        if (error.code === "NODE_UNREACHABLE" || error.code === "DEADLINE_EXCEEDED") onUnreachable(node);
        else onReached(node);
        if (error.code !== "MOVED") return;
        await peers.exchangeMaps(node);
        if (tries === triesMax || !followers().has(node)) return;
      }
    }
  }
}
