/**
 * The map on the wire: a few kilobytes, so that any node can hand it on with any reply.
 *
 *     0  magic    4 bytes  "MFMP"
 *     4  version  u8       1
 *     5  term, n, backups  3 varints
 *        nodes    varint   how many; then for each, in ascending order of id:
 *                 varint   id minus the id before it (minus 0 for the first)
 *                 u8       length of host, then its UTF-8
 *                 u16      port, little-endian
 *                 u8       state: 0 active, 1 draining, 2 dead
 *                 u8       weight
 *                 u8       length of zone, then its UTF-8
 *        runs of rows, until there are 1,024:
 *                 varint   how many rows the run has, at least 1
 *                 varint   the generation of all of them
 *                 varint   how many nodes each of them has, 0 .. 16
 *                 varints  positions in the node list, row after row, primary first
 *
 * Varints are unsigned LEB128 below 2^32. Fresh rows of one generation are one run: 3 bytes a row with two backups.
 */
import { MayflyError } from "../errors.ts";
import { type NodeId, nodeId } from "../ids.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "./byte-cursor.ts";
import { epochPartMax } from "./epoch.ts";
import { groupCount } from "./groups.ts";
import type { FleetMap, NodeEntry, NodeState, Row } from "./types.ts";

/** Nodes that one map may list. */
export const nodesMax = 4096;
/** Nodes that one row may have. */
export const rowNodesMax = 16;
/** Larger than any map within the limits above. */
export const mapBytesMax = 4 * 1024 * 1024;

const magic = Uint8Array.from([0x4d, 0x46, 0x4d, 0x50]);
const version = 1;
const states: readonly NodeState[] = ["active", "draining", "dead"];

/** @throws RangeError for a map outside the limits, or whose rows name a node that it does not list. */
export function encodeMap(map: FleetMap): Uint8Array {
  if (map.rows.length !== groupCount)
    throw new RangeError(`a map has ${groupCount} rows, not ${map.rows.length}`);
  if (map.nodes.length > nodesMax) throw new RangeError(`a map has at most ${nodesMax} nodes`);
  if (map.backups >= rowNodesMax) throw new RangeError(`a row has at most ${rowNodesMax} nodes`);
  const out = new ByteWriter().bytes(magic).u8(version);
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
  for (let start = 0; start < groupCount; ) {
    const end = endOfRun(map.rows, start);
    const { generation, nodes } = map.rows[start]!;
    if (nodes.length > rowNodesMax) throw new RangeError(`a row has at most ${rowNodesMax} nodes`);
    out
      .varint(end - start)
      .varint(generation)
      .varint(nodes.length);
    for (let group = start; group < end; group++) {
      for (const id of map.rows[group]!.nodes) {
        const position = positionOf.get(id);
        if (position === undefined)
          throw new RangeError(`row ${group} names node ${id}, which the map lacks`);
        out.varint(position);
      }
    }
    start = end;
  }
  return out.finish();
}

/** The first row after `start` that differs in generation or in its number of nodes. */
function endOfRun(rows: readonly Row[], start: number): number {
  const first = rows[start]!;
  let end = start + 1;
  while (
    end < rows.length &&
    rows[end]!.generation === first.generation &&
    rows[end]!.nodes.length === first.nodes.length
  ) {
    end++;
  }
  return end;
}

/** @throws MayflyError PROTOCOL for anything that `encodeMap` cannot have written. */
export function decodeMap(bytes: Uint8Array): FleetMap {
  try {
    if (bytes.length > mapBytesMax) throw new MalformedBytes(`${bytes.length} bytes, above ${mapBytesMax}`);
    return readMap(new ByteReader(bytes));
  } catch (thrown) {
    if (!(thrown instanceof MalformedBytes)) throw thrown;
    throw new MayflyError(
      "PROTOCOL",
      `these bytes are no fleet map: ${thrown.message}; do both sides run the same release?`,
    );
  }
}

function readMap(from: ByteReader): FleetMap {
  if (Buffer.compare(from.take(magic.length, "the magic"), magic) !== 0)
    throw new MalformedBytes("wrong magic");
  const found = from.u8("the version");
  if (found !== version) throw new MalformedBytes(`version ${found}, and this release reads ${version}`);
  const epoch = {
    term: from.varint(epochPartMax, "the term"),
    n: from.varint(epochPartMax, "the epoch's n"),
  };
  const backups = from.varint(rowNodesMax - 1, "the number of backups");
  const nodes = readNodes(from);
  const rows = readRows(from, nodes);
  from.end();
  return { epoch, nodes, rows, backups };
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

function readRows(from: ByteReader, nodes: readonly NodeEntry[]): Row[] {
  const rows: Row[] = [];
  while (rows.length < groupCount) {
    const runRows = from.varint(groupCount - rows.length, "the length of a run of rows");
    if (runRows === 0) throw new MalformedBytes("a run of rows is empty");
    const generation = from.varint(2 ** 32 - 1, "a generation");
    const members = from.varint(Math.min(rowNodesMax, nodes.length), "the number of nodes of a row");
    for (let i = 0; i < runRows; i++) {
      const ids: NodeId[] = [];
      for (let j = 0; j < members; j++) {
        const { id } = nodes[from.varint(nodes.length - 1, "the position of a node")]!;
        if (ids.includes(id)) throw new MalformedBytes(`row ${rows.length} names node ${id} twice`);
        ids.push(id);
      }
      rows.push({ generation, nodes: ids });
    }
  }
  return rows;
}
