import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeRecords, encodeRecords, type GroupRecord } from "../../../cache-node/replication/snapshot.ts";
import { jobNumber, objectId } from "../../../src/ids.ts";
import { cellKinds } from "../../../src/wire/cell.ts";
import { encodeValues } from "../../../src/wire/collection.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const job = fc.integer({ min: 1, max: 2 ** 32 - 1 }).map(jobNumber);
const version = fc.record({ generation: word, sequence: word });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

/** Others are collections, and what is left of a cell. */
const hasValue: ReadonlySet<string> = new Set(["bytes", "ref", "counter", "durable"]);
const cell: fc.Arbitrary<GroupRecord> = fc
  .record({
    ...{ type: fc.constant("cell" as const), job, version, position: word },
    kind: fc.constantFrom(...cellKinds),
    key: fc.uint8Array({ minLength: 1, maxLength: 1024 }),
    expiresAtMs: fc.integer({ min: 0, max: 2 ** 52 }),
    value: bytes(20_000),
  })
  .map(({ value, kind, ...rest }) => ({
    ...rest,
    kind,
    value: hasValue.has(kind) ? value : undefined,
  }));
const values = fc.array(bytes(300), { maxLength: 8 });
const answer = fc.oneof(fc.maxSafeInteger(), values.map(encodeValues));
const result = fc.record(
  { sequence: word, version, position: word, existed: fc.boolean(), result: answer },
  { requiredKeys: ["sequence", "version", "position", "existed"] },
);
const session: fc.Arbitrary<GroupRecord> = fc.record({
  ...{ type: fc.constant("session" as const), job, floor: word },
  id: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((id) => Buffer.from(id).toString("latin1")),
  results: fc.array(result, { maxLength: 20 }),
});
const abort: fc.Arbitrary<GroupRecord> = fc.record({
  ...{ type: fc.constant("abort" as const), job },
  object: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(objectId),
});
const items: fc.Arbitrary<GroupRecord> = fc.record({
  ...{ type: fc.constant("items" as const), job, values },
  key: fc.uint8Array({ minLength: 1, maxLength: 1024 }),
});
const records = fc.array(fc.oneof(cell, session, abort, items), { maxLength: 12 });

/** Bytes as arrays of numbers, whatever class they have. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, part: unknown) => (part instanceof Uint8Array ? [...part] : part)));

describe("records", () => {
  test("come back as they were", () => {
    fc.assert(
      fc.property(records, (all) => {
        expect(plain(decodeRecords(encodeRecords(all)))).toEqual(plain(all));
      }),
      { numRuns: 100 },
    );
  });

  test("that are cut off, or are something else, are a PROTOCOL error and nothing worse", () => {
    fc.assert(
      fc.property(records, fc.nat(10_000), bytes(50), (all, cut, noise) => {
        const encoded = encodeRecords(all);
        const cutOff = encoded.subarray(0, cut % (encoded.length + 1));
        for (const wrong of [cutOff, noise]) {
          try {
            decodeRecords(wrong);
          } catch (error) {
            expect(error).toMatchObject({ code: "PROTOCOL" });
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
