/**
 * A state store that keeps a copy of the state in the fleet's object store, so that a controller on another machine can go on from
 * there. What counts is what the store within says; the copy follows within a second, and at once where the fleet falls asleep or
 * is awake again: before that has been copied, it does not count either. A controller that claims a term in the object store fences
 * off those of lower terms, as one that claims it in the store within does.
 */
import { createFleetKeys, exportPrivateKey, fleetIdOf, importPrivateKey } from "../../auth/token.ts";
import type { Cancel, Clock, Rng } from "../../clock.ts";
import type { ObjectStore } from "../../durable/object-store.ts";
import { MayflyError } from "../../errors.ts";
import {
  fleetMarkName,
  stateName,
  stateOfName,
  statePrefix,
  termName,
  termPrefix,
} from "../../wire/fleet-names.ts";
import type { FleetState } from "../fleet-state.ts";
import { writeStateCopy } from "./state-copy.ts";
import type { StateStore } from "./state-store.ts";

export interface StoredCopyOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: (line: string) => void;
}

/** Changes of so long go in one copy. */
const gatherMs = 1000;
/** After a failure. */
const retryMs = 5000;
/** An older copy stays until a newer one has been there for a while: whoever restores may be reading it. */
const copiesKept = 2;
const urgentTimeoutMs = 20_000;
const openTimeoutMs = 5000;
const checkEveryMs = 1000;

/** @param within takes over what is asked of it; it is closed with this one */
export function withStoredCopy(
  within: StateStore,
  objects: ObjectStore,
  options: StoredCopyOptions,
): StateStore {
  const { clock, rng, log } = options;
  const claimant = Buffer.from(rng.bytes(16)).toString("hex");
  let privateKey = "";
  let fleet = "";
  let term = 0;
  let number = 0;
  let isClaimed = false;
  let highest = 0;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let newest: FleetState | undefined;
  let copied: FleetState | undefined;
  /** A copy of which nobody knows whether it is there has to be followed by another one before anything else counts. */
  let mustCopy = false;
  let mustCheck = false;
  let copying: Promise<void> = Promise.resolve();
  let cancel: Cancel | undefined;
  let isClosed = false;

  /** @throws MayflyError UNAVAILABLE when another controller has the term, or a higher one; what the object store throws */
  async function claimTerm(timeoutMs: number): Promise<void> {
    const name = termName(fleet, term);
    try {
      await objects.put(name, Buffer.from(claimant), { ifAbsent: true, timeoutMs });
    } catch (thrown) {
      if (MayflyError.from(thrown).code !== "KEY_EXISTS") throw thrown;
      const claimed = Buffer.from(await objects.get(name, { timeoutMs })).toString();
      if (claimed !== claimant) {
        highest = Math.max(highest, term + 1);
        throw new MayflyError(
          "UNAVAILABLE",
          `another controller has claimed term ${term} in the object store`,
        );
      }
    }
    isClaimed = true;
    await objects.put(fleetMarkName(fleet), Buffer.from(objects.url), { timeoutMs });
  }

  async function readHighest(timeoutMs: number): Promise<number> {
    let found = 0;
    for await (const { name } of objects.list(termPrefix(fleet), { timeoutMs })) {
      found = Math.max(found, stateOfName(fleet, name)?.term ?? 0);
    }
    highest = Math.max(highest, found);
    checkedAtMs = clock.now();
    return highest;
  }

  function copyNow(timeoutMs: number): Promise<void> {
    const done = copying.then(async () => {
      const state = newest;
      if (state === undefined || state === copied) return;
      if (!isClaimed) await claimTerm(timeoutMs);
      number += 1;
      const bytes = writeStateCopy({ term, privateKey, state });
      await objects.put(stateName(fleet, term, number), bytes, { timeoutMs });
      copied = state;
    });
    copying = done.catch(() => undefined);
    return done;
  }

  async function removeOlder(): Promise<void> {
    const states: string[] = [];
    const claims: string[] = [];
    for await (const { name } of objects.list(statePrefix(fleet))) {
      const found = stateOfName(fleet, name);
      if (found === undefined || found.term > term) continue;
      if (found.number !== undefined) states.push(name);
      else if (found.term < term) claims.push(name);
    }
    const old = [...states.slice(0, -copiesKept), ...claims];
    if (old.length > 0) await objects.delete(old);
  }

  async function copyLater(): Promise<void> {
    cancel = undefined;
    try {
      await copyNow(urgentTimeoutMs);
      await removeOlder();
      if (newest !== copied) copySoon(gatherMs);
    } catch (thrown) {
      log(`the state could not be copied to the object store: ${MayflyError.from(thrown).message}`);
      if (highest <= term) copySoon(retryMs);
    }
  }

  function copySoon(delayMs: number): void {
    if (isClosed) return;
    cancel ??= clock.after(delayMs, () => void copyLater(), true);
  }

  return {
    async claim(termMin) {
      let claimed = await within.claim(termMin);
      privateKey = await within.privateKey(() => exportPrivateKey(createFleetKeys(rng).privateKey));
      fleet = fleetIdOf(publicKeyOf(privateKey));
      for (;;) {
        try {
          const before = await readHighest(openTimeoutMs);
          if (claimed.term <= before) claimed = await within.claim(before + 1);
          ({ term } = claimed);
          [number, isClaimed, newest, copied] = [0, false, undefined, undefined];
          await claimTerm(openTimeoutMs);
          return claimed;
        } catch (thrown) {
          ({ term } = claimed);
          if (highest > term) continue;
          // Without its object store a fleet goes on; it is claimed with the first copy.
          log(`the object store is not there: ${MayflyError.from(thrown).message}`);
          return claimed;
        }
      }
    },
    async save(change, next) {
      await within.save(change, next);
      newest = next;
      if (change.sleep === undefined && !mustCopy) return copySoon(copied === undefined ? 0 : gatherMs);
      mustCheck = true;
      try {
        await copyNow(urgentTimeoutMs);
        mustCopy = false;
      } catch (thrown) {
        mustCopy = true;
        const why = MayflyError.from(thrown).message;
        throw new MayflyError("UNAVAILABLE", `the state could not be copied to the object store: ${why}`, {
          cause: thrown,
        });
      }
    },
    async highestTerm() {
      const own = await within.highestTerm();
      if (mustCheck) {
        await readHighest(urgentTimeoutMs);
        mustCheck = false;
      } else if (clock.now() - checkedAtMs >= checkEveryMs) {
        checkedAtMs = clock.now();
        void readHighest(urgentTimeoutMs).catch(() => undefined);
      }
      return Math.max(own, highest);
    },
    privateKey: (create) => within.privateKey(create),
    async close() {
      isClosed = true;
      cancel?.();
      if (term > 0 && highest <= term) await copyNow(openTimeoutMs).catch(() => undefined);
      await within.close();
    },
  };
}

function publicKeyOf(privateKey: string): ReturnType<typeof importPrivateKey>["publicKey"] {
  return importPrivateKey(privateKey).publicKey;
}
