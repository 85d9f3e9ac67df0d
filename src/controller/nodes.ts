/** Nodes come, report, hear what is new, and go. */
import { expiresAtMsMax, exportPublicKey, signToken, verifyToken } from "../auth/token.ts";
import { MayflyError } from "../errors.ts";
import type { NodeId } from "../ids.ts";
import { compareEpochs, epochPartMax, epochZero, formatEpoch, parseEpoch } from "../placement/epoch.ts";
import { nodesMax } from "../placement/map-codec.ts";
import type { Epoch, NodeEntry } from "../placement/types.ts";
import type {
  HeartbeatReply,
  HeartbeatRequest,
  RegisterNodeReply,
  RegisterNodeRequest,
} from "../wire/control-api.ts";
import type { Fleet } from "./fleet.ts";
import {
  addNode,
  buryNodes,
  type FleetState,
  isLastHope,
  livingNode,
  livingNodes,
  nodeOfInstance,
  reviveNode,
} from "./fleet-state.ts";

export const watchMsMax = 30_000;

/**
 * A process that has not heard the answer asks again, and a request may come long after it was made: each process becomes one node.
 *
 * @throws MayflyError QUOTA_EXCEEDED when the map is full; NODE_UNKNOWN for a process whose node is dead
 */
export async function registerNode(fleet: Fleet, request: RegisterNodeRequest): Promise<RegisterNodeReply> {
  const { settings, vitals } = fleet;
  const { host, port, zone = "", memoryBytes: limitBytes, pid, instance } = request;
  let isNew = false;
  const after = await fleet.change((state) => {
    isNew = registeredBefore(state, instance) === undefined;
    if (!isNew) return state;
    if (state.map.nodes.length >= nodesMax) {
      throw new MayflyError("QUOTA_EXCEEDED", `the fleet has ${nodesMax} nodes, the most a map can list`);
    }
    return addNode(state, { host, port }, zone, instance);
  });
  const id = isNew ? after.highestNode : registeredBefore(after, instance)!;
  if (isNew) {
    const nowMs = settings.clock.now();
    vitals.addNode(id, { limitBytes, pid, joinedAtMs: nowMs }, fleet.state.map.epoch, nowMs);
    fleet.settlement.look();
    if (after.map.hibernation !== undefined) fleet.alarm.ring(0);
    settings.log(`node ${id} at ${host}:${port} registered, pid ${pid}`);
  }
  return registration(fleet, id);
}

/** The node that the same process has become already. @throws MayflyError NODE_UNKNOWN when that is dead */
function registeredBefore(state: FleetState, instance: string | undefined): NodeId | undefined {
  const known = instance === undefined ? undefined : nodeOfInstance(state, instance);
  if (known === undefined || livingNode(state, known) !== undefined) return known;
  const message = `this process was node ${known}, which is dead: its id is never valid again; begin anew`;
  throw new MayflyError("NODE_UNKNOWN", message);
}

function registration(fleet: Fleet, id: number): RegisterNodeReply {
  const { settings } = fleet;
  const { relocationBytesPerSecond, durableUrl } = settings;
  return {
    nodeId: id,
    fleetToken: signToken(fleet.keys.privateKey, {
      scope: "fleet",
      job: 0,
      node: id,
      expiresAtMs: expiresAtMsMax,
    }),
    publicKey: exportPublicKey(fleet.keys.publicKey),
    heartbeatMs: settings.heartbeatMs,
    deadAfterMs: settings.deadAfterMs,
    ...(relocationBytesPerSecond !== undefined && { relocationBytesPerSecond }),
    ...(durableUrl !== undefined && { durableUrl }),
    // Without this reply no process has this id, so this is the map that the node begins with.
    map: fleet.encodedMapText(),
    jobs: fleet.jobTables.current(fleet.state),
  };
}

/** @throws MayflyError NODE_UNKNOWN when the id is dead or of another fleet: the node must register anew, empty. */
export async function hearNode(fleet: Fleet, id: number, request: HeartbeatRequest): Promise<HeartbeatReply> {
  if (wasDrained(fleet, id)) return { drained: true };
  await revive(fleet, id);
  requireNode(fleet, id);
  const epoch = parseEpoch(request.epoch);
  await checkEpoch(fleet, id, epoch);
  // It may have been declared dead meanwhile.
  if (wasDrained(fleet, id)) return { drained: true };
  await revive(fleet, id);
  requireNode(fleet, id);
  const nowMs = fleet.settings.clock.now();
  const isNewEpoch = fleet.vitals.heard(id, request, epoch, nowMs);
  const active = new Set(request.activeJobs);
  for (const job of fleet.state.jobs) if (active.has(job.number)) fleet.vitals.renew(job.number, nowMs);
  hearReports(fleet, id, request, nowMs);
  if (isNewEpoch) goOn(fleet);
  fleet.settlement.look();
  fleet.announce();
  return newsFor(fleet, epoch, request.jobsVersion);
}

/**
 * Resolves to what a heartbeat would bring as soon as there is a map or a job table other than these, or to nothing
 * after `waitMs`, at most 30 s. This is how failover and the ends of jobs reach nodes at once. It is no sign of life.
 *
 * @throws MayflyError NODE_UNKNOWN as `hearNode`, also when the node is declared dead meanwhile
 */
export async function watchNews(
  fleet: Fleet,
  id: number,
  { epoch, jobsVersion }: { readonly epoch: Epoch; readonly jobsVersion: number },
  waitMs: number,
  signal?: AbortSignal,
): Promise<HeartbeatReply> {
  if (wasDrained(fleet, id)) return { drained: true };
  await revive(fleet, id);
  requireNode(fleet, id);
  await checkEpoch(fleet, id, epoch);
  if (fleet.vitals.knows(id, epoch)) goOn(fleet);
  fleet.settlement.look();
  const isNews = (): boolean =>
    compareEpochs(epoch, fleet.state.map.epoch) < 0 ||
    fleet.jobTables.current(fleet.state).version !== jobsVersion ||
    livingNode(fleet.state, id) === undefined;
  await fleet.news.wait(id, isNews, Math.min(waitMs, watchMsMax), signal);
  if (wasDrained(fleet, id)) return { drained: true };
  await revive(fleet, id);
  requireNode(fleet, id);
  return newsFor(fleet, epoch, jobsVersion);
}

/** A clean exit. What the node held is gone, as if it had died, only sooner known; unless it was drained before. */
export async function retireNode(fleet: Fleet, id: number): Promise<void> {
  if (wasDrained(fleet, id)) return;
  const node = requireNode(fleet, id);
  await fleet.change((state) => buryNodes(state, new Set([node.id]), true));
  fleet.settings.log(`node ${id} left`);
}

/**
 * A node that shows its fleet token must be who it says: after a controller lost its state, ids are given away anew.
 *
 * @throws MayflyError NODE_UNKNOWN
 */
export function checkNodeToken(fleet: Fleet, id: number, token: string): void {
  // To verify one costs more than all the rest of a heartbeat.
  if (fleet.knownTokens.get(id) === token) return;
  try {
    const claims = verifyToken(fleet.keys.publicKey, token, fleet.settings.clock.wallMs());
    if (claims.scope === "fleet" && claims.node === id) {
      fleet.knownTokens.set(id, token);
      return;
    }
  } catch (thrown) {
    throw nodeUnknown(id, `its token is not of this fleet: ${MayflyError.from(thrown).message}`);
  }
  throw nodeUnknown(id, "its token is another's");
}

/**
 * A node that was declared dead, and whose process did not end, is alive again if it alone has what some row had. Nobody has
 * taken its place there, so nothing is risked, and all is lost otherwise. Its other rows have gone on without it.
 */
async function revive(fleet: Fleet, id: number): Promise<void> {
  if (!isLastHope(fleet.state, id)) return;
  const after = await fleet.change((state) => (isLastHope(state, id) ? reviveNode(state, id) : state));
  if (livingNode(after, id) === undefined || fleet.vitals.node(id) !== undefined) return;
  fleet.vitals.addNode(id, { limitBytes: 0 }, epochZero, fleet.settings.clock.now());
  fleet.settings.log(`node ${id} was declared dead and is alive: it has rows that nobody else has`);
}

/** Every epoch costs each node and each client a map: what is not urgent is gathered for so long, and longer in large fleets. */
const gatherMs = 100;

function hearReports(fleet: Fleet, id: number, request: HeartbeatRequest, nowMs: number): void {
  const { alarm, reach, rowFacts, state } = fleet;
  const { ready, unfit, unreachable, suspects = [] } = request;
  if (rowFacts.hear(state.map, id, { ready: [], unfit })) alarm.ring(0);
  const isAwaited = state.drains.length > 0 || state.jobs.some((job) => job.nodesLost > 0);
  if (rowFacts.hear(state.map, id, { ready, unfit: [] }) || isAwaited) goOn(fleet);
  for (const suspect of [...reach.hear(id, unreachable, nowMs), ...suspects]) {
    fleet.suspects.add(suspect);
    alarm.ring(0);
  }
}

/** What comes next may have waited for this; it is decided soon, together with what others report meanwhile. */
function goOn({ alarm, state }: Fleet): void {
  if (state.jobs.length > 0 || state.drains.length > 0)
    alarm.ring(Math.max(gatherMs, livingNodes(state).length));
}

function newsFor(fleet: Fleet, epoch: Epoch, jobsVersion: number): HeartbeatReply {
  const jobs = fleet.jobTables.current(fleet.state);
  const isOld = compareEpochs(epoch, fleet.state.map.epoch) < 0;
  return {
    ...(isOld ? { map: fleet.encodedMapText() } : {}),
    ...(jobsVersion === jobs.version ? {} : { jobs }),
    ...(fleet.wishes.spillAll && { spillAll: true }),
  };
}

async function checkEpoch(fleet: Fleet, id: number, epoch: Epoch): Promise<void> {
  const current = fleet.state.map.epoch;
  if (epoch.term > current.term) await goAbove(fleet, epoch.term);
  else if (epoch.term === current.term && epoch.n > current.n) {
    throw nodeUnknown(id, `epoch ${formatEpoch(epoch)} is not of this controller`);
  }
}

async function goAbove(fleet: Fleet, term: number): Promise<void> {
  if (term >= epochPartMax)
    throw new MayflyError("INVALID_ARGUMENT", `no controller can be above term ${term}`);
  fleet.settings.log(`a node reports term ${term}; ours is ${formatEpoch(fleet.state.map.epoch)}`);
  await fleet.ledger.overtake(term);
}

function wasDrained(fleet: Fleet, id: number): boolean {
  return fleet.state.drained.some((node) => node === id);
}

/** @throws MayflyError NODE_UNKNOWN */
export function requireNode(fleet: Fleet, id: number): NodeEntry {
  const node = livingNode(fleet.state, id);
  if (node === undefined) throw nodeUnknown(id, "it is dead, or never was in this fleet");
  return node;
}

function nodeUnknown(id: number, why: string): MayflyError {
  return new MayflyError(
    "NODE_UNKNOWN",
    `node ${id} is not in the fleet: ${why}; drop all data and register anew`,
  );
}
