/** Nodes come, report and go. */
import { expiresAtMsMax, exportPublicKey, signToken, verifyToken } from "../auth/token.ts";
import { MayflyError } from "../errors.ts";
import { compareEpochs, epochPartMax, formatEpoch, parseEpoch } from "../placement/epoch.ts";
import { nodesMax } from "../placement/map-codec.ts";
import type { NodeEntry } from "../placement/types.ts";
import type {
  HeartbeatReply,
  HeartbeatRequest,
  RegisterNodeReply,
  RegisterNodeRequest,
} from "../wire/control-api.ts";
import type { Fleet } from "./fleet.ts";
import { addNode, buryNodes, livingNode } from "./fleet-state.ts";

/** @throws MayflyError QUOTA_EXCEEDED when the map is full. */
export async function registerNode(fleet: Fleet, request: RegisterNodeRequest): Promise<RegisterNodeReply> {
  const { settings, vitals } = fleet;
  const after = await fleet.change((state) => {
    if (state.map.nodes.length >= nodesMax) {
      throw new MayflyError("QUOTA_EXCEEDED", `the fleet has ${nodesMax} nodes, the most a map can list`);
    }
    return addNode(state, { host: request.host, port: request.port }, request.zone ?? "");
  });
  const id = after.highestNode;
  // Without this reply no process has this id, so the map in it is the one that the node begins with.
  const map = Buffer.from(fleet.encodedMap()).toString("base64");
  vitals.addNode(id, request.memoryBytes, fleet.state.map.epoch, settings.clock.now());
  fleet.settlement.look();
  settings.log(`node ${id} at ${request.host}:${request.port} registered, pid ${request.pid}`);
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
    map,
    jobs: fleet.jobTables.current(fleet.state),
  };
}

/** @throws MayflyError NODE_UNKNOWN when the id is dead or of another fleet: the node must register anew, empty. */
export async function hearNode(fleet: Fleet, id: number, request: HeartbeatRequest): Promise<HeartbeatReply> {
  requireNode(fleet, id);
  const epoch = parseEpoch(request.epoch);
  const { term } = fleet.state.map.epoch;
  if (epoch.term > term) await goAbove(fleet, epoch.term);
  else if (epoch.term === term && epoch.n > fleet.state.map.epoch.n) {
    throw nodeUnknown(id, `epoch ${request.epoch} is not of this controller`);
  }
  // It may have been declared dead meanwhile.
  requireNode(fleet, id);
  const nowMs = fleet.settings.clock.now();
  fleet.vitals.heard(id, request, epoch, nowMs);
  const active = new Set(request.activeJobs);
  for (const job of fleet.state.jobs) if (active.has(job.number)) fleet.vitals.renew(job.number, nowMs);
  fleet.settlement.look();
  const jobs = fleet.jobTables.current(fleet.state);
  const isOld = compareEpochs(epoch, fleet.state.map.epoch) < 0;
  return {
    ...(isOld ? { map: Buffer.from(fleet.encodedMap()).toString("base64") } : {}),
    ...(request.jobsVersion === jobs.version ? {} : { jobs }),
  };
}

/** A clean exit. What the node held is gone, as if it had died, only sooner known. */
export async function retireNode(fleet: Fleet, id: number): Promise<void> {
  const node = requireNode(fleet, id);
  await fleet.change((state) => buryNodes(state, new Set([node.id])));
  fleet.settings.log(`node ${id} left`);
}

/**
 * A node that shows its fleet token must be who it says: after a controller lost its state, ids are given away anew.
 *
 * @throws MayflyError NODE_UNKNOWN
 */
export function checkNodeToken(fleet: Fleet, id: number, token: string): void {
  try {
    const claims = verifyToken(fleet.keys.publicKey, token, fleet.settings.clock.wallMs());
    if (claims.scope === "fleet" && claims.node === id) return;
  } catch (thrown) {
    throw nodeUnknown(id, `its token is not of this fleet: ${MayflyError.from(thrown).message}`);
  }
  throw nodeUnknown(id, "its token is another's");
}

async function goAbove(fleet: Fleet, term: number): Promise<void> {
  if (term >= epochPartMax)
    throw new MayflyError("INVALID_ARGUMENT", `no controller can be above term ${term}`);
  fleet.settings.log(`a node reports term ${term}; ours is ${formatEpoch(fleet.state.map.epoch)}`);
  await fleet.ledger.overtake(term);
}

function requireNode(fleet: Fleet, id: number): NodeEntry {
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
