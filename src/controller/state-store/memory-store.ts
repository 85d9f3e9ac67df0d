/** A store that lasts as long as its process: for tests, and for fleets that may be forgotten. */
import type { FleetState } from "../fleet-state.ts";
import type { StateStore } from "./state-store.ts";

/** Several controllers may be given the same one, as they would share a directory. */
export function createMemoryStore(): StateStore {
  let term = 0;
  let key: string | undefined;
  let saved: FleetState | undefined;
  return {
    async claim(termMin) {
      term = Math.max(term + 1, termMin);
      return { term, state: saved };
    },
    async save(_change, next) {
      // Like a journal of one's own term: what an older term saves after a newer one read is not seen.
      if (next.map.epoch.term >= (saved?.map.epoch.term ?? 0)) saved = next;
    },
    async highestTerm() {
      return term;
    },
    async privateKey(create) {
      key ??= create();
      return key;
    },
    async close() {},
  };
}
