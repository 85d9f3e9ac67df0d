/**
 * Sweeps what was spilled and is garbage: of jobs that have ended, of jobs that ended while no controller was there, and of other
 * fleets that never came back. It opens the object store by itself, renews the fleet's manifest there, and acts on plan-sweep.ts.
 */
import { fleetIdOf } from "../../auth/token.ts";
import type { ObjectStore } from "../../durable/object-store.ts";
import { MayflyError } from "../../errors.ts";
import { manifestName } from "../../wire/stored-names.ts";
import type { Fleet } from "../fleet.ts";
import { listManifests, writeManifest } from "./manifest.ts";
import { isAbandoned, planAbandoned, planOwnSweep } from "./plan-sweep.ts";
import { deleteSpillFolder, listSpillFolders } from "./spill-folders.ts";

export interface Sweeper {
  /** Looks what is due and begins it; called by the controller's clockwork. */
  look(): void;
  /**
   * Sweeps once more, and ends. To be called when the nodes that could still write have ended.
   * @param isForgotten nobody will know of the fleet any more: all that it spilled is garbage, unless it sleeps in the store
   */
  stop(isForgotten: boolean): Promise<void>;
}

const manifestEveryMs = 60_000;
/** Of the own fleet, for what came to the store after its job had been swept. */
const ownEveryMs = 3_600_000;
const othersEveryMs = 3_600_000;
/** Nodes hear of the end of a job at once; a request to the store that one had under way may take a minute. */
const afterEndMs = [1000, 75_000] as const;
const retryMs = 30_000;
/** Whoever ends a controller does not wait longer for a store that is slow. */
const lastSweepMsMax = 30_000;

/** @param url where the controller is reached */
export function createSweeper(fleet: Fleet, storeUrl: string, url: string): Sweeper {
  const { clock, log, openObjectStore, abandonedAfterMs } = fleet.settings;
  const id = fleetIdOf(fleet.keys.publicKey);
  let store: Promise<ObjectStore> | undefined;
  let known = new Set(fleet.state.jobs.map((job) => Number(job.number)));
  /** When something is to be done next, by what it is. */
  const dueAtMs = new Map<"manifest" | "own" | "others", number>([
    ["manifest", clock.now()],
    ["own", clock.now()],
    ["others", clock.now() + manifestEveryMs],
  ]);
  const ended: { readonly job: number; readonly atMs: number }[] = [];
  let running: Promise<void> | undefined;
  let sleeps = fleet.state.map.hibernation !== undefined;
  let stopped = false;
  let lastFailure = "";

  function open(): Promise<ObjectStore> {
    store ??= openObjectStore(storeUrl).catch((thrown: unknown) => {
      store = undefined;
      throw thrown;
    });
    return store;
  }

  const alive = (): Set<number> => new Set(fleet.state.jobs.map((job) => Number(job.number)));

  async function renewManifest(): Promise<void> {
    const manifest = { url, jobs: [...alive()], writtenAtMs: Math.trunc(clock.wallMs()), keep: sleeps };
    await writeManifest(await open(), id, manifest);
  }

  async function sweepOwn(): Promise<void> {
    const { highestJob } = fleet.state;
    const folders = await listSpillFolders(await open(), id);
    // Looked at after the listing: a job that began meanwhile is above the number.
    for (const folder of planOwnSweep(folders, { fleet: id, alive: alive(), highest: highestJob })) {
      await sweep(id, folder.job);
    }
  }

  async function sweepOthers(): Promise<void> {
    const opened = await open();
    const nowMs = clock.wallMs();
    for (const other of planAbandoned(await listManifests(opened), id, nowMs, abandonedAfterMs)) {
      const folders = await listSpillFolders(opened, other);
      if (!isAbandoned(folders, nowMs, abandonedAfterMs)) continue;
      for (const { job } of folders) await sweep(other, job);
      await opened.delete([manifestName(other)]);
    }
  }

  async function sweep(of: string, job: number): Promise<void> {
    // Whoever was replaced does not know which jobs have begun since.
    if (fleet.ledger.fencedBy !== undefined) return;
    const { objects, bytes } = await deleteSpillFolder(await open(), { fleet: of, job });
    const whose = of === id ? `job ${job}` : `job ${job} of fleet ${of}, which is gone`;
    if (objects > 0) log(`swept ${objects} spilled objects (${bytes} bytes) of ${whose}`);
  }

  /** What is due, each with when to come again if it succeeds. */
  function takeDue(): (() => Promise<void>)[] {
    const nowMs = clock.now();
    const works = { manifest: renewManifest, own: sweepOwn, others: sweepOthers };
    const everyMs = { manifest: manifestEveryMs, own: ownEveryMs, others: othersEveryMs };
    const due: (() => Promise<void>)[] = [];
    for (const [what, atMs] of dueAtMs) {
      if (nowMs < atMs) continue;
      dueAtMs.set(what, nowMs + everyMs[what]);
      due.push(() =>
        works[what]().catch((thrown: unknown) => {
          dueAtMs.set(what, clock.now() + retryMs);
          throw thrown;
        }),
      );
    }
    for (const end of ended.splice(0)) {
      if (end.atMs > nowMs) ended.push(end);
      else
        due.push(() =>
          sweep(id, end.job).catch((thrown: unknown) => {
            ended.push({ job: end.job, atMs: clock.now() + retryMs });
            throw thrown;
          }),
        );
    }
    return due;
  }

  async function run(due: readonly (() => Promise<void>)[]): Promise<void> {
    for (const work of due) {
      try {
        await work();
        lastFailure = "";
      } catch (thrown) {
        const { message } = MayflyError.from(thrown);
        if (message !== lastFailure) log(`the object store could not be swept: ${message}`);
        lastFailure = message;
      }
    }
  }

  async function sweepForgotten(): Promise<void> {
    const opened = await open();
    for (const { job } of await listSpillFolders(opened, id)) await sweep(id, job);
    if (fleet.ledger.fencedBy === undefined) await opened.delete([manifestName(id)]);
  }

  return {
    look() {
      const now = alive();
      for (const job of known) {
        if (now.has(job)) continue;
        for (const afterMs of afterEndMs) ended.push({ job, atMs: clock.now() + afterMs });
      }
      known = now;
      // A fleet that sleeps comes back after any time.
      const sleepsNow = fleet.state.map.hibernation !== undefined;
      if (sleepsNow !== sleeps) dueAtMs.set("manifest", clock.now());
      sleeps = sleepsNow;
      if (running !== undefined || stopped || fleet.ledger.fencedBy !== undefined) return;
      const due = takeDue();
      if (due.length === 0) return;
      running = run(due).finally(() => {
        running = undefined;
      });
    },
    async stop(isForgotten) {
      stopped = true;
      const isOver = isForgotten && fleet.state.map.hibernation === undefined;
      const last = isOver ? sweepForgotten : sweepOwn;
      const swept = (running ?? Promise.resolve()).then(() => run([last]));
      await new Promise<void>((resolve) => {
        const cancel = clock.after(lastSweepMsMax, resolve, true);
        void swept.finally(() => {
          cancel();
          resolve();
        });
      });
      await store?.then((opened) => opened.close()).catch(() => undefined);
    },
  };
}
