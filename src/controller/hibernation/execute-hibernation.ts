/**
 * Acts on plan-hibernation.ts: puts an idle fleet to sleep, and wakes it. Everything alive lies in the object store before the state
 * says that the fleet sleeps, and the state says so before any node goes; what was stored is forgotten only when all rows have it
 * again. So whoever dies in between, it goes on from what the state says. What is wanted is forgotten with the process.
 */
import { fleetIdOf } from "../../auth/token.ts";
import type { ObjectStore } from "../../durable/object-store.ts";
import { MayflyError } from "../../errors.ts";
import { compareEpochs, formatEpoch } from "../../placement/epoch.ts";
import type { Epoch } from "../../placement/types.ts";
import { sleepPrefix, tokenOfSleep } from "../../wire/fleet-names.ts";
import type { HibernationProgress, HibernationReport } from "../../wire/hibernation-api.ts";
import type { Fleet } from "../fleet.ts";
import { activeNodes, type FleetState, layRows, livingNodes } from "../fleet-state.ts";
import type { NodeSupply } from "../node-supply.ts";
import { allRowsServe, isSettled } from "../relocation-progress.ts";
import { planHibernation, type SleepInventory } from "./plan-hibernation.ts";
import {
  beginStoring,
  endSleep,
  fallAsleep,
  nodesDiffer,
  sleepStage,
  sleepToken,
  stayAwake,
} from "./sleeping-state.ts";

export interface Hibernator {
  /** Nothing is being stored, asleep or being fetched: the fleet may grow and shrink. */
  readonly isAwake: boolean;
  /** Looks what is to be done and does it; called by the controller's clockwork. */
  look(): void;
  /**
   * The fleet should sleep as soon as nobody uses it.
   *
   * @throws MayflyError INVALID_ARGUMENT without an object store; UNAVAILABLE while it forms
   */
  hibernate(): HibernationProgress;
  /** The fleet should wake, or stay awake. */
  wake(): HibernationProgress;
  progress(): HibernationProgress;
  /** Wakes the fleet, and resolves when rows have nodes, or after `waitMs`. */
  untilRows(waitMs: number): Promise<void>;
  /** Wakes the fleet, and resolves when it is awake. @throws MayflyError UNAVAILABLE after `waitMs` */
  untilAwake(waitMs: number): Promise<void>;
  stop(): void;
}

/** Of the fleet, which sleeps when nobody has said so; what went wrong is tried again after so long. */
const retryAfterFaultMs = 60_000;

/** @param store of the fleet; undefined without one */
export function createHibernator(
  fleet: Fleet,
  supply: NodeSupply,
  store: ObjectStore | undefined,
  url: string,
): Hibernator {
  const { clock, log, hibernateAfterMs, heartbeatMs, deadAfterMs, zonePolicy } = fleet.settings;
  const waiting = new Set<() => void>();
  let shouldSleep: { readonly byHand: boolean; readonly sinceMs: number } | undefined;
  let shouldWake = false;
  let storingSinceMs = 0;
  let wakingSinceMs = clock.now();
  let sleptAtMs = clock.now();
  let faultSinceMs: number | undefined;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  let activeAtMs = clock.now();
  let reasons: readonly string[] = [];
  /** Why it did not sleep when it last should. */
  let gaveUp: string | undefined;
  let wasStoring = false;
  let busy = false;
  let stopped = false;

  function inventory(state: FleetState): SleepInventory {
    const nowMs = clock.now();
    const nodes = livingNodes(state).map(({ id }) => ({ id, vitals: fleet.vitals.node(id) }));
    const token = sleepToken(state);
    const reported = nodes.flatMap(({ vitals }) => vitals?.report.hibernation ?? []);
    const failing = nodes.flatMap(({ vitals }) => vitals?.report.spill?.failing ?? []);
    const faults = [...new Set([...reported.flatMap(({ fault }) => fault ?? []), ...failing])];
    if (faults.length === 0) faultSinceMs = undefined;
    else faultSinceMs ??= nowMs;
    const idle = state.jobs.map((job) => ({
      job: job.number,
      idleMs: fleet.vitals.idleMs(job.number, nowMs),
    }));
    for (const { idleMs } of idle) activeAtMs = Math.max(activeAtMs, nowMs - idleMs);
    return {
      stage: sleepStage(state),
      shouldSleep: shouldSleep && { byHand: shouldSleep.byHand, forMs: nowMs - shouldSleep.sinceMs },
      shouldWake,
      canSleepByItself: store !== undefined && hibernateAfterMs !== undefined && nowMs >= notBeforeMs,
      ...{ hibernateAfterMs, idleMs: nowMs - activeAtMs, formed: state.formed },
      inUse: idle.filter(({ idleMs }) => idleMs < 3 * heartbeatMs).map(({ job }) => job),
      usedSinceStoring: idle.filter(({ idleMs }) => idleMs < nowMs - storingSinceMs).map(({ job }) => job),
      nodes: nodes.length,
      canStart: supply.canStart && supply.startFault === undefined,
      starting: supply.starting.length,
      heard: reported.length,
      objectsLeft: reported.reduce((sum, { objectsLeft }) => sum + objectsLeft, 0),
      bytesLeft: reported.reduce((sum, { bytesLeft }) => sum + bytesLeft, 0),
      stored: reported.filter((report) => token !== undefined && hasStored(report, token)).length,
      storedBytes: reported.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
      isSettled: isSettled(fleet) && state.drains.length === 0 && state.replacing.left.length === 0,
      ...{ faults, faultMs: faultSinceMs === undefined ? 0 : nowMs - faultSinceMs },
      storingMs: nowMs - storingSinceMs,
      active: activeNodes(state).length,
      wanted: Math.max(1, state.sleep.nodes),
      sleepBytes: state.sleep.storedBytes,
      nodeBytes: supply.memoryBytes(),
      isLaid: state.map.rows.some((row) => row.nodes.length > 0),
      rowsServe: allRowsServe(fleet),
      wakingMs: nowMs - wakingSinceMs,
      ...{ sleptMs: nowMs - sleptAtMs, deadAfterMs },
      youngestMs: Math.min(...nodes.map(({ id }) => fleet.vitals.ageMs(id, nowMs))),
    };
  }

  async function act(): Promise<void> {
    const { state } = fleet;
    const stage = sleepStage(state);
    if (wasStoring && stage === "awake" && shouldSleep !== undefined)
      await giveUp("nodes came or went", false);
    wasStoring = stage === "storing";
    const plan = planHibernation(inventory(state), state);
    reasons = plan.reasons;
    fleet.wishes.spillAll = plan.spillAll;
    switch (plan.action) {
      case "none":
        break;
      case "want-sleep":
        shouldSleep = { byHand: false, sinceMs: clock.now() };
        break;
      case "give-up":
        await giveUp(plan.reasons.join("; "), plan.isFault);
        break;
      case "store":
        storingSinceMs = clock.now();
        await fleet.change((now) => (now === state ? beginStoring(now) : now));
        if (sleepStage(fleet.state) === "storing")
          log("the fleet goes to sleep: cells stand still and are stored");
        break;
      case "sleep":
        await sleepNow();
        break;
      case "start-nodes":
        supply.start(plan.starts);
        break;
      case "lay-rows":
        await fleet.change((now) => (sleepStage(now) === "waking" ? layRows(now, zonePolicy) : now));
        log(`the fleet wakes on ${activeNodes(fleet.state).length} nodes`);
        break;
      case "end":
        await wakeUp(state);
    }
  }

  async function sleepNow(): Promise<void> {
    const { state } = fleet;
    const sleep = {
      nodes: activeNodes(state).length,
      nodeBytes: supply.memoryBytes(),
      storedBytes: inventory(state).storedBytes,
      sinceMs: Math.trunc(clock.wallMs()),
    };
    const isStill = (now: FleetState): boolean =>
      !stopped &&
      shouldSleep !== undefined &&
      sleepStage(now) === "storing" &&
      !nodesDiffer(now.map, state.map) &&
      inventory(now).usedSinceStoring.length === 0;
    await fleet.change((now) => (isStill(now) ? fallAsleep(now, sleep) : now));
    if (sleepStage(fleet.state) !== "asleep") return;
    shouldSleep = undefined;
    sleptAtMs = clock.now();
    log(`the fleet sleeps: ${sleep.storedBytes} bytes of cells are stored, ${sleep.nodes} nodes go`);
  }

  async function wakeUp(state: FleetState): Promise<void> {
    const token = sleepToken(state);
    // Rows that moved meanwhile have to be served first.
    const isSame = (now: FleetState): boolean =>
      now.map.rows === state.map.rows && !nodesDiffer(now.map, state.map);
    await fleet.change((now) => (isSame(now) ? endSleep(now) : now));
    if (sleepStage(fleet.state) !== "awake") return;
    shouldWake = false;
    activeAtMs = clock.now();
    log("the fleet is awake");
    if (token !== undefined) void forget((stored) => compareEpochs(stored, token) <= 0);
  }

  /** What was stored for a sleep that nothing can come back to. */
  async function forget(isOver: (token: Epoch) => boolean): Promise<void> {
    const fleetId = fleetIdOf(fleet.keys.publicKey);
    const names: string[] = [];
    try {
      if (store === undefined) return;
      for await (const { name } of store.list(sleepPrefix(fleetId))) {
        const token = tokenOfSleep(fleetId, name);
        if (token !== undefined && isOver(token)) names.push(name);
      }
      if (names.length > 0) await store.delete(names);
    } catch (thrown) {
      log(`what the fleet slept with could not be deleted: ${MayflyError.from(thrown).message}`);
    }
  }

  async function giveUp(why: string, isFault: boolean): Promise<void> {
    const token = sleepToken(fleet.state);
    if (isFault) notBeforeMs = clock.now() + retryAfterFaultMs;
    shouldSleep = undefined;
    fleet.wishes.spillAll = false;
    await fleet.change((now) => (sleepStage(now) === "storing" ? stayAwake(now) : now));
    log(`the fleet stays awake: ${why}`);
    gaveUp = why;
    if (token !== undefined) void forget((stored) => compareEpochs(stored, token) === 0);
  }

  async function lookNow(): Promise<void> {
    if (busy || stopped || fleet.ledger.fencedBy !== undefined) return;
    busy = true;
    try {
      for (let before: FleetState | undefined; before !== fleet.state && !stopped; ) {
        before = fleet.state;
        await act();
      }
    } catch (thrown) {
      reasons = [MayflyError.from(thrown).message];
      log(`the fleet neither sleeps nor wakes now: ${reasons[0]}`);
    } finally {
      busy = false;
      for (const check of waiting) check();
    }
  }

  function beginWaking(): void {
    const stage = sleepStage(fleet.state);
    if (shouldSleep !== undefined) gaveUp = "somebody uses it";
    shouldSleep = undefined;
    activeAtMs = clock.now();
    if (stage === "awake" || shouldWake) return void (stage === "storing" && fleet.alarm.ring(0));
    if (stage === "asleep") log("the fleet is woken");
    if (stage !== "storing") shouldWake = true;
    wakingSinceMs = clock.now();
    void lookNow();
  }

  function progress(): HibernationProgress {
    const { state } = fleet;
    const stock = inventory(state);
    const isSpilling = stock.stage === "awake" && shouldSleep !== undefined;
    const stage = isSpilling ? "spilling" : stock.stage;
    const isUp = stage === "awake";
    return {
      stage,
      objectsLeft: stock.objectsLeft,
      bytesLeft: stock.bytesLeft,
      nodes: stock.nodes,
      nodesStored: stage === "storing" ? stock.stored : 0,
      nodesWanted: isUp ? 0 : state.sleep.nodes,
      storedBytes: state.sleep.storedBytes > 0 ? state.sleep.storedBytes : stock.storedBytes,
      ...(state.sleep.sinceMs > 0 && { sinceMs: state.sleep.sinceMs }),
      reasons: isUp ? (gaveUp === undefined ? [] : [gaveUp]) : [...reasons, ...startHelp(stage)],
    };
  }

  function startHelp(stage: string): string[] {
    if (stage === "waking" || (stage === "asleep" && shouldWake)) {
      if (supply.startFault !== undefined && supply.canStart) return [supply.startFault];
      const size = supply.memoryBytes();
      if (!supply.canStart && activeNodes(fleet.state).length < fleet.state.sleep.nodes)
        return [
          `nodes are started by hand: mayfly node --controller ${url}${size > 0 ? ` --memory ${size}` : ""}`,
        ];
    }
    return [];
  }

  function until(holds: () => boolean, waitMs: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (held: boolean): void => {
        cancel();
        waiting.delete(check);
        resolve(held);
      };
      const check = (): void => {
        if (holds() || stopped) done(holds());
      };
      const cancel = clock.after(waitMs, () => done(holds()), true);
      waiting.add(check);
    });
  }

  return {
    get isAwake() {
      return sleepStage(fleet.state) === "awake";
    },
    look: () => void lookNow(),
    hibernate() {
      if (store === undefined) {
        const message =
          "a fleet sleeps in its object store, and this one has none; start the controller with --store URL";
        throw new MayflyError("INVALID_ARGUMENT", message);
      }
      if (!fleet.state.formed) {
        const message = "the fleet is forming: it has nothing to put to sleep yet";
        throw new MayflyError("UNAVAILABLE", message, { retryAfterMs: 1000 });
      }
      const stage = sleepStage(fleet.state);
      shouldWake = stage === "waking";
      if (stage === "awake" || stage === "waking") {
        gaveUp = undefined;
        shouldSleep = { byHand: true, sinceMs: clock.now() };
      }
      fleet.alarm.ring(0);
      return progress();
    },
    wake() {
      beginWaking();
      return progress();
    },
    progress,
    async untilRows(waitMs) {
      const hasRows = (): boolean => {
        const stage = sleepStage(fleet.state);
        if (stage === "awake" || stage === "storing") return true;
        return stage === "waking" && fleet.state.map.rows.some((row) => row.nodes.length > 0);
      };
      if (sleepStage(fleet.state) !== "awake") beginWaking();
      await until(hasRows, waitMs);
    },
    async untilAwake(waitMs) {
      beginWaking();
      const isAwake = (): boolean => sleepStage(fleet.state) === "awake";
      if (await until(isAwake, waitMs)) return;
      const why = [...reasons, ...startHelp("waking")].join("; ");
      const message = `the fleet slept and is waking${why === "" ? "" : ` (${why})`}; try again`;
      throw new MayflyError("UNAVAILABLE", message, { retryAfterMs: 500 });
    },
    stop() {
      stopped = true;
      for (const check of waiting) check();
    },
  };
}

function hasStored({ token, stored }: HibernationReport, wanted: Epoch): boolean {
  return stored && token === formatEpoch(wanted);
}
