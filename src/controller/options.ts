/** What a controller can be told, with defaults and limits. */
import { join } from "node:path";
import { type Clock, type Rng, systemClock, systemRng } from "../clock.ts";
import type { ObjectStore } from "../durable/object-store.ts";
import { MayflyError } from "../errors.ts";
import { groupCount } from "../placement/groups.ts";
import { rowNodesMax } from "../placement/map-codec.ts";
import type { ZonePolicy } from "../placement/row-table.ts";
import { type ScalePolicy, scalePolicy } from "./autoscale/scale-policy.ts";
import { createProbe, type Probe } from "./probe.ts";
import type { StateStore } from "./state-store/state-store.ts";

export const controllerPortDefault = 7400;

export interface ControllerOptions {
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** 7400 by default; 0 takes a free one. */
  readonly port?: number;
  /** URL that tickets name, when it is not that of host and port. */
  readonly advertiseUrl?: string;
  /** Directory of the journal. Without it (and without `store`) the fleet is forgotten when the process ends. */
  readonly stateDir?: string;
  readonly store?: StateStore;
  /** Rows are first laid when so many nodes have registered; 1 by default, `nodesMin` with an autoscaler. */
  readonly nodesInitial?: number;
  /** Backups of each row, 0 .. 15; 2 by default. */
  readonly backups?: number;
  readonly zonePolicy?: ZonePolicy;
  /** How often nodes report; 500 by default. */
  readonly heartbeatMs?: number;
  /** A node that was silent for so long is dead; 2000 by default, at least 300 and twice `heartbeatMs`. */
  readonly deadAfterMs?: number;
  /**
   * After so long a dead node whose end nobody saw counts as ended, and what only it had as lost; 10 times `deadAfterMs`
   * by default, at least `deadAfterMs`.
   */
  readonly lostAfterMs?: number;
  /** Rows that are copied to other nodes at a time, in the whole fleet; 96 by default. */
  readonly joiningRowsMax?: number;
  /** Of each node: stored bytes a second that it writes elsewhere to repair or drain; unlimited by default, at least 1 MB/s. */
  readonly relocationBytesPerSecond?: number;
  /** Of the object store where nodes keep what must last or does not fit; without it memory is all there is. */
  readonly durableUrl?: string;
  /**
   * What another fleet has spilled there is swept when nobody has renewed its manifest for so long; 24 hours by default, at least an
   * hour.
   */
  readonly abandonedAfterMs?: number;
  /** Instead of what `durableUrl` names: for tests. */
  readonly openObjectStore?: (url: string) => Promise<ObjectStore>;
  /** A fleet that nobody used for so long sleeps in its object store; never by default, at least 1,000. */
  readonly hibernateAfterMs?: number;
  /**
   * Goes on with the fleet whose state lies in the object store of `durableUrl`, when the state of before is not at hand; it must be
   * named when there are several.
   */
  readonly restore?: { readonly fleet?: string };
  /** Rows of a new fleet; 1,024 unless it is a simulation, which may do with fewer. */
  readonly rowCount?: number;
  /** Memory of a node that the controller starts by itself; as much as the newest has by default. */
  readonly nodeMemoryBytes?: number;
  /**
   * The autoscaler decides how many nodes there are, by the default policy with these numbers; people do by default. It takes a
   * provisioner that starts nodes, and `nodeMemoryBytes`.
   */
  readonly autoscale?: Partial<ScalePolicy>;
  /** File for the autoscaler's decisions; `decisions.jsonl` in `stateDir` by default, and none without that. */
  readonly decisionLog?: string;
  /** Tells whether a process listens at an address; connects to it by default. */
  readonly probe?: Probe;
  /** Life of a ticket's token unless asked otherwise; 24 hours by default. */
  readonly tokenTtlMs?: number;
  readonly clock?: Clock;
  readonly rng?: Rng;
  /** Told of every decision, a line each. */
  readonly log?: (line: string) => void;
}

export interface ControllerSettings {
  readonly host: string;
  readonly port: number;
  readonly advertiseUrl: string | undefined;
  readonly nodesInitial: number;
  readonly backups: number;
  readonly zonePolicy: ZonePolicy;
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
  readonly lostAfterMs: number;
  readonly joiningRowsMax: number;
  readonly relocationBytesPerSecond: number | undefined;
  readonly durableUrl: string | undefined;
  readonly abandonedAfterMs: number;
  readonly openObjectStore: (url: string) => Promise<ObjectStore>;
  readonly hibernateAfterMs: number | undefined;
  readonly rowCount: number;
  readonly nodeMemoryBytes: number | undefined;
  readonly autoscale: ScalePolicy | undefined;
  readonly decisionLog: string | undefined;
  readonly probe: Probe;
  readonly tokenTtlMs: number;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: (line: string) => void;
}

const deadAfterMsMin = 300;
const anHourMs = 3_600_000;

/** @throws MayflyError INVALID_ARGUMENT naming the option, its limit and its value. */
export function resolveOptions(options: ControllerOptions): ControllerSettings {
  const heartbeatMs = options.heartbeatMs ?? 500;
  const deadAfterMs = options.deadAfterMs ?? Math.max(2000, 2 * heartbeatMs);
  const clock = options.clock ?? systemClock;
  const rng = options.rng ?? systemRng;
  const autoscale = autoscalePolicy(options);
  const settings: ControllerSettings = {
    host: options.host ?? "127.0.0.1",
    port: options.port ?? controllerPortDefault,
    advertiseUrl: options.advertiseUrl,
    nodesInitial: options.nodesInitial ?? autoscale?.nodesMin ?? 1,
    backups: options.backups ?? 2,
    zonePolicy: options.zonePolicy ?? "pack",
    heartbeatMs,
    deadAfterMs,
    lostAfterMs: options.lostAfterMs ?? 10 * deadAfterMs,
    joiningRowsMax: options.joiningRowsMax ?? 96,
    relocationBytesPerSecond: options.relocationBytesPerSecond,
    durableUrl: options.durableUrl,
    abandonedAfterMs: options.abandonedAfterMs ?? 24 * anHourMs,
    openObjectStore: options.openObjectStore ?? ((url) => openStore(url, { clock, rng })),
    hibernateAfterMs: options.hibernateAfterMs,
    rowCount: options.rowCount ?? groupCount,
    nodeMemoryBytes: autoscale?.nodeMemoryBytes ?? options.nodeMemoryBytes,
    autoscale,
    decisionLog: options.decisionLog ?? (options.stateDir && join(options.stateDir, "decisions.jsonl")),
    probe: options.probe ?? createProbe(clock),
    tokenTtlMs: options.tokenTtlMs ?? 86_400_000,
    clock,
    rng,
    log: options.log ?? (() => {}),
  };
  checkRange("port", settings.port, 0, 65_535);
  checkRange("nodesInitial", settings.nodesInitial, 1, 4096);
  checkRange("backups", settings.backups, 0, rowNodesMax - 1);
  checkRange("heartbeatMs", settings.heartbeatMs, 50, 60_000);
  checkRange("deadAfterMs", settings.deadAfterMs, Math.max(deadAfterMsMin, 2 * heartbeatMs), 600_000);
  checkRange("lostAfterMs", settings.lostAfterMs, deadAfterMs, 86_400_000);
  checkRange("joiningRowsMax", settings.joiningRowsMax, 1, groupCount);
  checkRange("relocationBytesPerSecond", settings.relocationBytesPerSecond ?? 1e6, 1e6, 1e12);
  checkRange("abandonedAfterMs", settings.abandonedAfterMs, anHourMs, 10 * 365 * 24 * anHourMs);
  checkRange("rowCount", settings.rowCount, 1, groupCount);
  checkRange("hibernateAfterMs", settings.hibernateAfterMs ?? 1000, 1000, 365 * 86_400_000);
  if (settings.hibernateAfterMs !== undefined && settings.durableUrl === undefined) {
    const message = "a fleet that should hibernate needs an object store; give durableUrl (--store URL), too";
    throw new MayflyError("INVALID_ARGUMENT", message);
  }
  checkRange("tokenTtlMs", settings.tokenTtlMs, 1000, 365 * 86_400_000);
  if (settings.durableUrl !== undefined && !/^(s3|file):\/\/./.test(settings.durableUrl)) {
    const found = JSON.stringify(settings.durableUrl);
    const message = `${found} is no object store; those look like s3://bucket/prefix or file:///folder`;
    throw new MayflyError("INVALID_ARGUMENT", message);
  }
  if (options.restore !== undefined && settings.durableUrl === undefined) {
    const message = "a fleet is restored from its object store; give durableUrl, too";
    throw new MayflyError("INVALID_ARGUMENT", message);
  }
  if (settings.advertiseUrl !== undefined && !URL.canParse(settings.advertiseUrl)) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `advertiseUrl ${JSON.stringify(settings.advertiseUrl)} is no URL`,
    );
  }
  return settings;
}

/** Loaded when it is needed: most fleets have none. */
async function openStore(url: string, options: { clock: Clock; rng: Rng }): Promise<ObjectStore> {
  const { openObjectStore } = await import("../durable/open-store.ts");
  return await openObjectStore(url, options);
}

function autoscalePolicy({ autoscale, nodeMemoryBytes }: ControllerOptions): ScalePolicy | undefined {
  if (autoscale === undefined) return undefined;
  const bytes = autoscale.nodeMemoryBytes ?? nodeMemoryBytes;
  if (bytes !== undefined) return scalePolicy({ ...autoscale, nodeMemoryBytes: bytes });
  throw new MayflyError(
    "INVALID_ARGUMENT",
    "the autoscaler starts nodes, and nobody said how large; give nodeMemoryBytes",
  );
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `${name} is ${value}; it must be a whole number from ${min} to ${max}`,
  );
}
