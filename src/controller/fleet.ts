/** What all of the controller's services share: the ledger, what was heard of everybody, and the one way to change anything. */
import { createFleetKeys, exportPrivateKey, type FleetKeys, importPrivateKey } from "../auth/token.ts";
import { formatEpoch } from "../placement/epoch.ts";
import { encodeMap } from "../placement/map-codec.ts";
import type { FleetMap } from "../placement/types.ts";
import { type Alarm, createAlarm } from "./alarm.ts";
import { type ExecutionPolicy, settle } from "./execute-plan.ts";
import { type FleetState, livingNodes } from "./fleet-state.ts";
import { createJobTables, type JobTables } from "./job-tables.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import { Milestones } from "./milestones.ts";
import { createNews, type News } from "./news.ts";
import type { ControllerSettings } from "./options.ts";
import { Reach } from "./reach.ts";
import { RowFacts } from "./row-facts.ts";
import { createSettlement, type Settlement } from "./settlement.ts";
import type { StateStore } from "./state-store/state-store.ts";
import { Vitals } from "./vitals.ts";

export interface Fleet {
  readonly settings: ControllerSettings;
  readonly keys: FleetKeys;
  readonly ledger: Ledger;
  readonly vitals: Vitals;
  readonly reach: Reach;
  readonly rowFacts: RowFacts;
  readonly milestones: Milestones;
  readonly settlement: Settlement;
  readonly jobTables: JobTables;
  readonly news: News;
  readonly alarm: Alarm;
  /** Nodes that somebody has just reported as unreachable: to be probed. */
  readonly suspects: Set<number>;
  /** What all nodes are asked to do; forgotten with the process. */
  readonly wishes: { spillAll: boolean };
  /** By node: the token that it showed last, and that was good. Tokens of nodes do not expire. */
  readonly knownTokens: Map<number, string>;
  readonly policy: ExecutionPolicy;
  /** The newest state that counts. */
  readonly state: FleetState;
  /** The current map on the wire. */
  encodedMap(): Uint8Array;
  /** The same in base64, as replies carry it. */
  encodedMapText(): string;
  /** Answers those who wait for a map or a job table, if there is another one than when this was last called. */
  announce(): void;
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
  const { clock } = settings;
  const ledger = await openLedger(store, settings.backups, settings.rowCount);
  const keys = importPrivateKey(
    await store.privateKey(() => exportPrivateKey(createFleetKeys(settings.rng).privateKey)),
  );
  const vitals = new Vitals();
  const reach = new Reach(settings);
  const rowFacts = new RowFacts();
  const milestones = new Milestones(ledger.state.map.epoch);
  const settlement = createSettlement(() => ledger.state, vitals, clock);
  const news = createNews(clock);
  const nowMs = clock.now();
  for (const node of livingNodes(ledger.state)) {
    vitals.addNode(node.id, { limitBytes: 0 }, { term: 0, n: 0 }, nowMs);
  }
  for (const job of ledger.state.jobs) vitals.renew(job.number, nowMs);
  retainVitals(vitals, ledger.state, nowMs);
  const reports = rowFacts.reports(
    (node) => vitals.epochOf(node),
    (from, to) => reach.isCut(from, to),
  );

  let encodedOf: FleetMap | undefined;
  let encoded = new Uint8Array();
  let encodedText = "";
  let loggedEpoch = "";

  function encode(): void {
    if (encodedOf === ledger.state.map) return;
    encodedOf = ledger.state.map;
    encoded = new Uint8Array(encodeMap(encodedOf));
    encodedText = Buffer.from(encoded).toString("base64");
  }

  function logEpoch({ map, jobs }: FleetState): void {
    const epoch = formatEpoch(map.epoch);
    if (epoch === loggedEpoch) return;
    loggedEpoch = epoch;
    const nodes = map.nodes.map((node) => `${node.id}:${node.state}:${node.weight}`).join(" ") || "none";
    settings.log(`epoch ${epoch}: nodes ${nodes}; ${jobs.length} jobs`);
  }

  const jobTables = createJobTables(vitals);
  let announced = "";
  function announce(): void {
    const newest = `${formatEpoch(ledger.state.map.epoch)} ${jobTables.current(ledger.state).version}`;
    if (newest === announced) return;
    announced = newest;
    news.look();
  }

  return {
    ...{ settings, keys, ledger, vitals, reach, rowFacts, milestones, settlement, news },
    jobTables,
    announce,
    alarm: createAlarm(clock),
    suspects: new Set(),
    wishes: { spillAll: false },
    knownTokens: new Map(),
    policy: settings,
    get state() {
      return ledger.state;
    },
    encodedMap() {
      encode();
      return encoded;
    },
    encodedMapText() {
      encode();
      return encodedText;
    },
    async change(step) {
      let before = ledger.state;
      const after = await ledger.commit((state) => {
        before = state;
        return settle(state, step(state), settings, reports);
      });
      // Nobody else's step is between these two, though others may have been committed since.
      rowFacts.changed(before.map, after.map);
      milestones.passed(before.map, after.map);
      retainVitals(vitals, ledger.state, clock.now());
      settlement.look();
      announce();
      logEpoch(after);
      return after;
    },
  };
}

function retainVitals(vitals: Vitals, state: FleetState, nowMs: number): void {
  const dead = state.map.nodes.filter((node) => node.state === "dead");
  vitals.retain(
    new Set(livingNodes(state).map((node) => node.id)),
    new Set(dead.map((node) => node.id)),
    new Set(state.jobs.map((job) => job.number)),
    nowMs,
  );
}
