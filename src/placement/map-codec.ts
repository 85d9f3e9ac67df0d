/**
 * The map on the wire: a few kilobytes, so that any node can hand it on with any reply.
 *
 *     0  magic    4 bytes  "MFMP"
 *     4  version  u8       2; 3 of a fleet that hibernates
 *     5  term, n, backups  3 varints
 *        nodes    varint   how many; then for each, in ascending order of id:
 *                 varint   id minus the id before it (minus 0 for the first)
 *                 u8       length of host, then its UTF-8
 *                 u16      port, little-endian
 *                 u8       state: 0 active, 1 draining, 2 dead
 *                 u8       weight
 *                 u8       length of zone, then its UTF-8
 *        rows     varint   how many, 1 .. 1,024
 *        runs of rows, until there are as many:
 *                 varint   how many rows the run has, at least 1
 *                 varint   the generation of all of them
 *                 varint   that generation minus the one in which they were born
 *                 varint   the highest job that may have lost something in them
 *                 u8, u8   how many full members and how many joining nodes each of them has, together 0 .. 16
 *                 varints  positions in the node list, row after row: full members, primary first, then the joining
 *        of version 3 only:
 *                 u8       0 storing, 1 loading
 *                 varints  term, n of the epoch in which that began
 *
 * Varints are unsigned LEB128 below 2^32. Fresh rows of one generation are one run: 3 bytes a row with two backups. A fleet
 * has 1,024 rows; simulations have fewer.
 */
import { MayflyError } from "../errors.ts";
import { type NodeId, nodeId } from "../ids.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "./byte-cursor.ts";
import { epochPartMax } from "./epoch.ts";
import { groupCount } from "./groups.ts";
import type { Epoch, FleetMap, Hibernation, NodeEntry, NodeState, Row } from "./types.ts";

/** Nodes that one map may list. */
export const nodesMax = 4096;
/** Nodes that one row may have. */
export const rowNodesMax = 16;
/** Larger than any map within the limits above. */
export const mapBytesMax = 4 * 1024 * 1024;

const magic = Uint8Array.from([0x4d, 0x46, 0x4d, 0x50]);
const version = 2;
/** Of a fleet that hibernates. */
const sleepVersion = 3;
const states: readonly NodeState[] = ["active", "draining", "dead"];
const hibernationStates = ["storing", "loading"] as const;

/** @throws RangeError for a map outside the limits, or whose rows name a node that it does not list. */
export function encodeMap(map: FleetMap): Uint8Array {
  if (map.rows.length < 1 || map.rows.length > groupCount)
    throw new RangeError(`a map has ${groupCount} rows, not ${map.rows.length}`);
  if (map.nodes.length > nodesMax) throw new RangeError(`a map has at most ${nodesMax} nodes`);
  if (map.backups >= rowNodesMax) throw new RangeError(`a row has at most ${rowNodesMax} nodes`);
  const { hibernation } = map;
  const out = new ByteWriter().bytes(magic).u8(hibernation === undefined ? version : sleepVersion);
  out.varint(map.epoch.term).varint(map.epoch.n).varint(map.backups).varint(map.nodes.length);
  const positionOf = new Map<NodeId, number>();
  let previousId = 0;
  for (const node of map.nodes) {
    if (node.id <= previousId) throw new RangeError("the nodes of a map are in ascending order of id");
    out
      .varint(node.id - previousId)
      .text(node.host)
      .u16(node.port);
    out.u8(states.indexOf(node.state)).u8(node.weight).text(node.zone);
    positionOf.set(node.id, positionOf.size);
    previousId = node.id;
  }
  const position = (group: number, id: NodeId): number => {
    const at = positionOf.get(id);
    if (at === undefined) throw new RangeError(`row ${group} names node ${id}, which the map lacks`);
    return at;
  };
  out.varint(map.rows.length);
  for (let start = 0; start < map.rows.length; ) {
    const end = endOfRun(map.rows, start);
    const { generation, born, lostJobs, nodes, joining } = map.rows[start]!;
    if (nodes.length + joining.length > rowNodesMax)
      throw new RangeError(`a row has at most ${rowNodesMax} nodes`);
    out
      .varint(end - start)
      .varint(generation)
      .varint(generation - born)
      .varint(lostJobs)
      .u8(nodes.length)
      .u8(joining.length);
    for (let group = start; group < end; group++) {
      const row = map.rows[group]!;
      for (const id of row.nodes) out.varint(position(group, id));
      for (const id of row.joining) out.varint(position(group, id));
    }
    start = end;
  }
  if (hibernation !== undefined) {
    const { state, token } = hibernation;
    out.u8(hibernationStates.indexOf(state)).varint(token.term).varint(token.n);
  }
  return out.finish();
}

/** The first row after `start` that differs in more than which nodes it names. */
function endOfRun(rows: readonly Row[], start: number): number {
  const first = rows[start]!;
  const alike = (row: Row): boolean =>
    row.generation === first.generation &&
    row.born === first.born &&
    row.lostJobs === first.lostJobs &&
    row.nodes.length === first.nodes.length &&
    row.joining.length === first.joining.length;
  let end = start + 1;
  while (end < rows.length && alike(rows[end]!)) end++;
  return end;
}

/**
 * @param known an older map of the fleet: rows that are still as they were are its objects
 * @throws MayflyError PROTOCOL for anything that `encodeMap` cannot have written.
 */
export function decodeMap(bytes: Uint8Array, known?: FleetMap): FleetMap {
  return decode(bytes, (from) => {
    const epoch = readEpoch(from);
    const backups = from.varint(rowNodesMax - 1, "the number of backups");
    const nodes = readNodes(from);
    const rows = readRows(from, nodes, known?.rows ?? []);
    const isAwake = bytes[magic.length] === version;
    const hibernation = isAwake ? undefined : readHibernation(from);
    from.end();
    return { epoch, nodes, rows, backups, ...(hibernation && { hibernation }) };
  });
}

/** Of an encoded map, of which no more is read. @throws MayflyError PROTOCOL */
export function decodeEpoch(bytes: Uint8Array): Epoch {
  return decode(bytes, readEpoch);
}

function decode<T>(bytes: Uint8Array, read: (from: ByteReader) => T): T {
  try {
    if (bytes.length > mapBytesMax) throw new MalformedBytes(`${bytes.length} bytes, above ${mapBytesMax}`);
    return read(new ByteReader(bytes));
  } catch (thrown) {
    if (!(thrown instanceof MalformedBytes)) throw thrown;
    throw new MayflyError(
      "PROTOCOL",
      `these bytes are no fleet map: ${thrown.message}; do both sides run the same release?`,
    );
  }
}

function readEpoch(from: ByteReader): Epoch {
  if (Buffer.compare(from.take(magic.length, "the magic"), magic) !== 0)
    throw new MalformedBytes("wrong magic");
  const found = from.u8("the version");
  if (found !== version && found !== sleepVersion)
    throw new MalformedBytes(`version ${found}, and this release reads ${version} and ${sleepVersion}`);
  return readEpochParts(from);
}

function readEpochParts(from: ByteReader): Epoch {
  return {
    term: from.varint(epochPartMax, "the term"),
    n: from.varint(epochPartMax, "the epoch's n"),
  };
}

function readHibernation(from: ByteReader): Hibernation {
  const state = hibernationStates[from.u8("how it hibernates")];
  if (state === undefined) throw new MalformedBytes("an unknown state of hibernation");
  return { state, token: readEpochParts(from) };
}

function readNodes(from: ByteReader): NodeEntry[] {
  const count = from.varint(nodesMax, "the number of nodes");
  const nodes: NodeEntry[] = [];
  let id = 0;
  for (let i = 0; i < count; i++) {
    const step = from.varint(2 ** 32 - 1 - id, "a node id");
    if (step === 0) throw new MalformedBytes("a node id is zero or listed twice");
    id += step;
    const host = from.text("a host");
    const port = from.u16("a port");
    const state = states[from.u8("a node state")];
    if (state === undefined) throw new MalformedBytes(`node ${id} has an unknown state`);
    nodes.push({ id: nodeId(id), host, port, state, weight: from.u8("a weight"), zone: from.text("a zone") });
  }
  return nodes;
}

function readRows(from: ByteReader, nodes: readonly NodeEntry[], known: readonly Row[]): Row[] {
  const count = from.varint(groupCount, "the number of rows");
  if (count === 0) throw new MalformedBytes("a map without rows");
  const rows: Row[] = [];
  const ids: NodeId[] = [];
  while (rows.length < count) {
    const runRows = from.varint(count - rows.length, "the length of a run of rows");
    if (runRows === 0) throw new MalformedBytes("a run of rows is empty");
    const generation = from.varint(2 ** 32 - 1, "a generation");
    const born = generation - from.varint(generation, "the generation of birth");
    const lostJobs = from.varint(2 ** 32 - 1, "the highest job with losses");
    const full = from.u8("the number of full members of a row");
    const members = full + from.u8("the number of joining nodes of a row");
    if (members > Math.min(rowNodesMax, nodes.length)) throw new MalformedBytes(`a row of ${members} nodes`);
    for (let i = 0; i < runRows; i++) {
      ids.length = 0;
      for (let j = 0; j < members; j++) {
        const { id } = nodes[from.varint(nodes.length - 1, "the position of a node")]!;
        if (ids.includes(id)) throw new MalformedBytes(`row ${rows.length} names node ${id} twice`);
        ids.push(id);
      }
      const before = known[rows.length];
      const isSame =
        before?.generation === generation &&
        before.born === born &&
        before.lostJobs === lostJobs &&
        before.nodes.length === full &&
        before.joining.length === members - full &&
        ids.every((id, at) => id === (at < full ? before.nodes[at] : before.joining[at - full]));
      if (isSame) rows.push(before);
      else rows.push({ generation, nodes: ids.slice(0, full), joining: ids.slice(full), born, lostJobs });
    }
  }
  return rows;
}
