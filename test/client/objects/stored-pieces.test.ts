import fc from "fast-check";
import { expect, test } from "vitest";
import { nodesFor } from "../../../client/objects/fetch-stored.ts";
import { batchesOf } from "../../../client/objects/read-stored.ts";
import { piecesOf } from "../../../client/objects/stored-pieces.ts";
import { nodeId, objectId } from "../../../src/ids.ts";
import type { NodeEntry } from "../../../src/placement/types.ts";
import { Ref, storedLayouts } from "../../../src/wire/ref.ts";
import { framedBytes } from "../../../src/wire/stored-layout.ts";
import { storedPartBytes } from "../../../src/wire/stored-spans.ts";
import { frameBytes } from "../../../src/wire/stripe-layout.ts";

const arbitraryRead = fc
  .record({
    d: fc.integer({ min: 1, max: 5 }),
    sizeBytes: fc.integer({ min: 1, max: 24 * 2 ** 20 }),
    offset: fc.integer({ min: 0, max: 2 ** 26 }),
    layout: fc.constantFrom(...storedLayouts),
    from: fc.double({ min: 0, max: 0.999, noNaN: true }),
    part: fc.double({ min: 0.001, max: 1, noNaN: true }),
  })
  .map(({ d, sizeBytes, offset, layout, from, part }) => {
    const object = objectId(new Uint8Array(16));
    const stored = { name: "n", offset, layout };
    const code = { d, p: 1 };
    const ref = new Ref({ object, key: Buffer.from("k"), sizeBytes, code, stripes: undefined, stored });
    const start = Math.floor(from * sizeBytes);
    const length = Math.max(1, Math.floor(part * (sizeBytes - start)));
    return { ref, offset: start, length, into: Buffer.alloc(0) };
  });

test("a read is cut into pieces that follow one another, lie within the stored object, and are at most 4 MiB", () => {
  fc.assert(
    fc.property(arbitraryRead, (read) => {
      const { ref, offset, length } = read;
      const { sizeBytes, code } = ref;
      const place = ref.stored!;
      const storedEnd = place.offset + (place.layout === "plain" ? sizeBytes : framedBytes(sizeBytes, code));
      let at = offset;
      for (const piece of piecesOf(read)) {
        expect(piece.from).toBe(at);
        expect(piece.to > at).toBe(true);
        expect(piece.length <= storedPartBytes).toBe(true);
        expect(piece.offset >= place.offset && piece.offset + piece.length <= storedEnd).toBe(true);
        const wanted = piece.to - piece.from;
        // Frames bring what is beside the range, and their checksums.
        const most = place.layout === "plain" ? wanted : (wanted + 2 * frameBytes) * (1 + 8 / 128) + 64;
        expect(piece.length >= wanted && piece.length <= most).toBe(true);
        at = piece.to;
      }
      expect(at).toBe(offset + length);
    }),
  );
});

const arbitraryNodes = fc
  .uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 })
  .map((ids) =>
    ids.map((id): NodeEntry => {
      return { id: nodeId(id), host: "h", port: id, zone: "", state: "active", weight: 1 };
    }),
  );
const arbitrarySpan = fc.record({
  name: fc.string({ minLength: 1, maxLength: 30 }),
  offset: fc.integer({ min: 0, max: 2 ** 30 }),
  length: fc.integer({ min: 1, max: storedPartBytes }),
});

test("a node that goes changes who is asked for what it was asked for, and nothing else", () => {
  fc.assert(
    fc.property(arbitrarySpan, arbitraryNodes, fc.nat(), (span, nodes, pick) => {
      const order = nodesFor(span, nodes).map(({ id }) => id);
      expect([...order].sort()).toEqual(nodes.map(({ id }) => id).sort());
      const gone = nodes[pick % nodes.length]!;
      const left = nodes.map((node): NodeEntry => (node === gone ? { ...node, state: "dead" } : node));
      expect(nodesFor(span, left).map(({ id }) => id)).toEqual(order.filter((id) => id !== gone.id));
    }),
  );
});

test("nodes are asked for about as many parts each", () => {
  const nodes = Array.from({ length: 5 }, (_, at): NodeEntry => {
    return { id: nodeId(at + 1), host: "h", port: at, zone: "", state: "active", weight: 1 };
  });
  const counts = new Map<number, number>();
  for (let part = 0; part < 1000; part++) {
    const first = nodesFor({ name: "f/spill/job-1/a", offset: part * storedPartBytes, length: 9 }, nodes)[0]!;
    counts.set(first.id, (counts.get(first.id) ?? 0) + 1);
  }
  for (const node of nodes) expect(counts.get(node.id)! > 120 && counts.get(node.id)! < 300).toBe(true);
});

test("batches hold every span once, of one node each, and are bounded", () => {
  const spans = fc.array(fc.record({ length: fc.integer({ min: 1, max: 700_000 }), node: fc.nat(3) }));
  fc.assert(
    fc.property(spans, (all) => {
      const batches = batchesOf(all, ({ node }) => node);
      expect(new Set(batches.flat())).toEqual(new Set(all));
      expect(batches.flat()).toHaveLength(all.length);
      for (const batch of batches) {
        expect(new Set(batch.map(({ node }) => node)).size).toBe(1);
        const bytes = batch.reduce((sum, { length }) => sum + length, 0);
        expect(batch.length === 1 || bytes <= 2 ** 20).toBe(true);
      }
    }),
  );
});
