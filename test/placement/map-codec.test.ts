import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { nodeId } from "../../src/ids.ts";
import { groupCount } from "../../src/placement/groups.ts";
import { decodeEpoch, decodeMap, encodeMap, mapBytesMax } from "../../src/placement/map-codec.ts";
import { planRows } from "../../src/placement/plan-rows.ts";
import {
  emptyRow,
  type FleetMap,
  type NodeEntry,
  type NodeState,
  type Row,
} from "../../src/placement/types.ts";

const emptyRows: readonly Row[] = Array.from({ length: groupCount }, () => emptyRow);

function fleetOf(count: number): FleetMap {
  const nodes: NodeEntry[] = Array.from({ length: count }, (_, i) => ({
    id: nodeId(i + 1),
    host: `ip-10-0-0-${i}.eu-central-1.compute.internal`,
    port: 7401 + i,
    state: "active",
    weight: 100,
    zone: "eu-central-1a",
  }));
  const rows = planRows({ nodes, rows: emptyRows, backups: 2, zonePolicy: "pack" });
  return { epoch: { term: 3, n: 17 }, nodes, rows, backups: 2 };
}

/** A map with everything in it that a map may hold. */
function anyMap(seed: number): FleetMap {
  const rng = seededRng(seed);
  const upTo = (limit: number): number => Math.floor(rng.random() * limit);
  const states: NodeState[] = ["active", "draining", "dead"];
  const ids = new Set(Array.from({ length: upTo(20) }, () => 1 + upTo(upTo(2) === 0 ? 50 : 2 ** 32 - 1)));
  const nodes = [...ids]
    .sort((a, b) => a - b)
    .map((id) => ({
      id: nodeId(id),
      host: upTo(2) === 0 ? "knöte.example" : "::1",
      port: upTo(65536),
      state: states[upTo(3)]!,
      weight: upTo(256),
      zone: upTo(2) === 0 ? "" : "zone",
    }));
  const rows = emptyRows.map(() => {
    const start = upTo(nodes.length);
    const length = Math.min(upTo(4), nodes.length - start);
    const generation = upTo(2) === 0 ? 1 : upTo(2 ** 32);
    const ids = nodes.slice(start, start + length).map((node) => node.id);
    const full = upTo(length + 1);
    return {
      ...{ generation, nodes: ids.slice(0, full), joining: ids.slice(full) },
      ...{ born: upTo(3) === 0 ? upTo(generation + 1) : generation, lostJobs: upTo(4) },
    };
  });
  const map = { epoch: { term: upTo(2 ** 32), n: upTo(2 ** 32) }, nodes, rows, backups: upTo(16) };
  const token = { term: upTo(2 ** 32), n: upTo(2 ** 32) };
  const hibernation = { state: upTo(2) === 0 ? "storing" : "loading", token } as const;
  return upTo(2) === 0 ? map : { ...map, hibernation };
}

test("a map comes back as it was", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const map = anyMap(seed);
      expect(decodeMap(encodeMap(map))).toEqual(map);
    }),
    { numRuns: 30 },
  );
});

test("a forming fleet's map comes back too", () => {
  const map: FleetMap = { epoch: { term: 1, n: 1 }, nodes: [], rows: emptyRows, backups: 2 };
  expect(decodeMap(encodeMap(map))).toEqual(map);
  expect(encodeMap(map).length).toBeLessThan(20);
});

test("with any other map known it comes back as it was, too, and rows that stayed are the known ones", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), fc.infiniteStream(fc.nat(4)), (seed, other, dice) => {
      const [map, unrelated] = [anyMap(seed), anyMap(other)];
      expect(decodeMap(encodeMap(map), unrelated)).toEqual(map);
      // The same fleet a little earlier: some rows differ, each in one thing.
      const earlier = map.rows.map((row): Row => {
        const change = dice.next().value;
        if (change === 0) return { ...row, generation: row.generation ^ 1 };
        if (change === 1) return { ...row, lostJobs: row.lostJobs + 1 };
        if (change === 2) return { ...row, joining: [...row.joining, nodeId(4242)] };
        if (change === 3) return { ...row, nodes: row.joining, joining: row.nodes };
        return row;
      });
      const decoded = decodeMap(encodeMap(map), { ...map, rows: earlier });
      expect(decoded).toEqual(map);
      for (const [group, row] of map.rows.entries()) {
        if (earlier[group] === row) expect(decoded.rows[group]).toBe(row);
      }
    }),
    { numRuns: 20 },
  );
});

test("the epoch of a map is read without the rest, and what is no map is refused", () => {
  const bytes = encodeMap(fleetOf(4));
  expect(decodeEpoch(bytes)).toEqual({ term: 3, n: 17 });
  expect(decodeEpoch(bytes.subarray(0, 7))).toEqual({ term: 3, n: 17 });
  expect(() => decodeEpoch(bytes.subarray(0, 6))).toThrow(MayflyError);
  expect(() => decodeEpoch(Buffer.from("MFMX\u0002\u0001\u0001"))).toThrow(/wrong magic/);
  expect(() => decodeEpoch(new Uint8Array(mapBytesMax + 1))).toThrow(/above/);
});

test("the map of 12 nodes with fresh rows is below 6 KB", () => {
  expect(encodeMap(fleetOf(12)).length).toBeLessThan(6000);
});

test("every way to cut a map short is an error, and so is a byte too many", () => {
  const bytes = encodeMap(fleetOf(3));
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeMap(bytes.subarray(0, length)), `cut at ${length}`).toThrow(MayflyError);
  }
  expect(() => decodeMap(Buffer.concat([bytes, Uint8Array.of(0)]))).toThrow(/1 bytes follow the end/);
});

test("damaged bytes are a map or a PROTOCOL error, never another failure", () => {
  const bytes = encodeMap(fleetOf(5));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= flip;
      try {
        expect(decodeMap(damaged).rows.length).toBe(groupCount);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "PROTOCOL" });
      }
    }),
    { numRuns: 300 },
  );
});

test("lengths are refused before memory is spent on them", () => {
  const head = [0x4d, 0x46, 0x4d, 0x50, 2, 1, 1, 2];
  const decode = (...rest: number[]) => decodeMap(Uint8Array.from([...head, ...rest]));
  expect(() => decode(0xff, 0xff, 0x7f)).toThrow(/the number of nodes is above 4096/);
  expect(() => decode(0, 0xff, 0xff, 0xff, 0xff, 0x0f)).toThrow(/number of rows is above 1024/);
  expect(() => decode(0, 0)).toThrow(/without rows/);
  expect(() => decode(0, 1, 2)).toThrow(/run of rows is above 1/);
  expect(() => decode(0, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80)).toThrow(/more than 5 bytes|above/);
  expect(() => decode(0, 1, 1, 1, 2)).toThrow(/generation of birth is above 1/);
  expect(() => decode(0, 1, 1, 1, 0, 0, 1, 0)).toThrow(/a row of 1 nodes/);
  expect(() => decodeMap(new Uint8Array(mapBytesMax + 1))).toThrow(/above/);
});

test("a row that names a node twice is refused", () => {
  const map = fleetOf(2);
  const bytes = Buffer.from(encodeMap(map));
  bytes[bytes.length - 1] = bytes[bytes.length - 2]!;
  expect(() => decodeMap(bytes)).toThrow(/row 1023 names node \d twice/);
});

test("a map outside the limits is not encoded", () => {
  const map = fleetOf(3);
  const stranger: Row = { ...emptyRow, generation: 1, nodes: [nodeId(99)] };
  expect(() => encodeMap({ ...map, rows: [] })).toThrow(RangeError);
  expect(() => encodeMap({ ...map, rows: [stranger, ...map.rows.slice(1)] })).toThrow(/names node 99/);
  expect(() => encodeMap({ ...map, nodes: map.nodes.toReversed() })).toThrow(/ascending/);
});
