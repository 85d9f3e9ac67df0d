/** How a controller on another machine finds the state of a fleet in its object store, and goes on from it. */
import type { ObjectStore } from "../../durable/object-store.ts";
import { MayflyError } from "../../errors.ts";
import { compareEpochs } from "../../placement/epoch.ts";
import { fleetOfMark, fleetsPrefix, stateOfName, statePrefix } from "../../wire/fleet-names.ts";
import type { FleetState } from "../fleet-state.ts";
import { readStateCopy, type StateCopy } from "./state-copy.ts";
import type { StateStore } from "./state-store.ts";

/**
 * The newest state of the fleet, or of the only one.
 *
 * @throws MayflyError NOT_FOUND when there is none; INVALID_ARGUMENT when there are several fleets and none is named; DAMAGED; what
 * the object store throws
 */
export async function findStoredState(objects: ObjectStore, fleet: string | undefined): Promise<StateCopy> {
  const found = fleet ?? (await findFleet(objects));
  const names: string[] = [];
  for await (const { name } of objects.list(statePrefix(found))) {
    if (stateOfName(found, name)?.number !== undefined) names.push(name);
  }
  let damage: unknown;
  // Names are in the order of terms and numbers.
  for (const name of names.reverse()) {
    try {
      return readStateCopy(await objects.get(name), name);
    } catch (thrown) {
      const { code } = MayflyError.from(thrown);
      if (code !== "DAMAGED" && code !== "NOT_FOUND") throw thrown;
      damage ??= thrown;
    }
  }
  if (damage !== undefined) throw damage;
  throw new MayflyError("NOT_FOUND", `there is no state of fleet ${found} at ${objects.url}`);
}

async function findFleet(objects: ObjectStore): Promise<string> {
  const fleets: string[] = [];
  for await (const { name } of objects.list(fleetsPrefix)) {
    const fleet = fleetOfMark(name);
    if (fleet !== undefined) fleets.push(fleet);
  }
  const [first, ...others] = fleets;
  if (first === undefined) {
    const message = `there is no fleet at ${objects.url}: name the place that its controller had as --store`;
    throw new MayflyError("NOT_FOUND", message);
  }
  if (others.length === 0) return first;
  const message = `there are ${fleets.length} fleets at ${objects.url}: ${fleets.slice(0, 10).join(", ")}; say which: --fleet ID`;
  throw new MayflyError("INVALID_ARGUMENT", message);
}

/** A store that goes on from a state that was found elsewhere, unless it has a newer one of the same fleet itself. */
export function seededStore(within: StateStore, found: StateCopy): StateStore {
  return {
    async claim(termMin) {
      const { term, state } = await within.claim(Math.max(termMin, found.term + 1));
      const isNewer = state !== undefined && compareEpochs(state.map.epoch, found.state.map.epoch) >= 0;
      return { term, state: isNewer ? state : ahead(found.state) };
    },
    save: (change, next) => within.save(change, next),
    highestTerm: () => within.highestTerm(),
    async privateKey(_create) {
      const own = await within.privateKey(() => found.privateKey);
      if (own === found.privateKey) return own;
      throw new MayflyError(
        "INVALID_ARGUMENT",
        "the state directory belongs to another fleet than the one to restore; choose an empty one: --state DIR",
      );
    },
    close: () => within.close(),
  };
}

/** More than a fleet can do within the second by which a copy may be late. */
const generationsAhead = 65_536;
const numbersAhead = 1000;

/**
 * Numbers that were given away after the copy was made are not given away again. A fleet that sleeps was copied when it fell
 * asleep, and has done nothing since.
 */
function ahead(state: FleetState): FleetState {
  if (state.map.hibernation?.state === "loading") return state;
  const rows = state.map.rows.map((row) => ({ ...row, generation: row.generation + generationsAhead }));
  return {
    ...{ ...state, map: { ...state.map, rows } },
    highestNode: state.highestNode + numbersAhead,
    highestJob: state.highestJob + numbersAhead,
  };
}
