/** What all of the controller's services share: the ledger, what was heard of everybody, and the one way to change anything. */
import { createFleetKeys, exportPrivateKey, type FleetKeys, importPrivateKey } from "../auth/token.ts";
import { formatEpoch } from "../placement/epoch.ts";
import { encodeMap } from "../placement/map-codec.ts";
import type { FleetMap } from "../placement/types.ts";
import { type ExecutionPolicy, settle } from "./execute-plan.ts";
import type { FleetState } from "./fleet-state.ts";
import { createJobTables, type JobTables } from "./job-tables.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import type { ControllerSettings } from "./options.ts";
import { createSettlement, type Settlement } from "./settlement.ts";
import type { StateStore } from "./state-store/state-store.ts";
import { Vitals } from "./vitals.ts";

export interface Fleet {
  readonly settings: ControllerSettings;
  readonly keys: FleetKeys;
  readonly ledger: Ledger;
  readonly vitals: Vitals;
  readonly settlement: Settlement;
  readonly jobTables: JobTables;
  readonly policy: ExecutionPolicy;
  /** The newest state that counts. */
  readonly state: FleetState;
  /** The current map on the wire. */
  encodedMap(): Uint8Array;
  /**
   * Applies a step, brings the rows in line with it, and stores both as one change with one epoch.
   *
   * @returns the state it led to
   * @throws MayflyError what `step` throws, or UNAVAILABLE when fenced or when the change cannot be stored.
   */
  change(step: (state: FleetState) => FleetState): Promise<FleetState>;
}

/** Claims a term in the store and takes the fleet over; everybody in it counts as heard of now. */
export async function openFleet(settings: ControllerSettings, store: StateStore): Promise<Fleet> {
  const ledger = await openLedger(store, settings.backups);
  const keys = importPrivateKey(
    await store.privateKey(() => exportPrivateKey(createFleetKeys(settings.rng).privateKey)),
  );
  const vitals = new Vitals();
  const settlement = createSettlement(() => ledger.state, vitals, settings.clock);
  const nowMs = settings.clock.now();
  for (const node of ledger.state.map.nodes) {
    if (node.state !== "dead") vitals.addNode(node.id, 0, { term: 0, n: 0 }, nowMs);
  }
  for (const job of ledger.state.jobs) vitals.renew(job.number, nowMs);

  let encodedOf: FleetMap | undefined;
  let encoded = new Uint8Array();
  let loggedEpoch = "";

  function logEpoch({ map, jobs }: FleetState): void {
    const epoch = formatEpoch(map.epoch);
    if (epoch === loggedEpoch) return;
    loggedEpoch = epoch;
    const nodes = map.nodes.map((node) => `${node.id}:${node.state}:${node.weight}`).join(" ") || "none";
    settings.log(`epoch ${epoch}: nodes ${nodes}; ${jobs.length} jobs`);
  }

  return {
    settings,
    keys,
    ledger,
    vitals,
    settlement,
    jobTables: createJobTables(vitals),
    policy: settings,
    get state() {
      return ledger.state;
    },
    encodedMap() {
      if (encodedOf !== ledger.state.map) {
        encodedOf = ledger.state.map;
        encoded = new Uint8Array(encodeMap(encodedOf));
      }
      return encoded;
    },
    async change(step) {
      const after = await ledger.commit((state) => settle(state, step(state), settings));
      const living = after.map.nodes.filter((node) => node.state !== "dead");
      vitals.retain(new Set(living.map((node) => node.id)), new Set(after.jobs.map((job) => job.number)));
      settlement.look();
      logEpoch(after);
      return after;
    },
  };
}
