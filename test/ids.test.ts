import fc from "fast-check";
import { expect, test } from "vitest";
import { groupOfObject, newObjectId, objectId, objectIdBytes } from "../src/ids.ts";
import { groupOf } from "../src/placement/groups.ts";

test("an object id says the group of its home key, and the rest of it is random", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 30 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (key, random) => {
        const group = groupOf(key);
        const id = newObjectId(group, Uint8Array.from(random));
        expect(groupOfObject(id)).toBe(group);
        expect(objectIdBytes(id).readUInt16BE(0)).toBe(group);
        expect(objectIdBytes(id).subarray(2)).toEqual(Buffer.from(random).subarray(2));
      },
    ),
  );
});

test("an id that begins with no group has none", () => {
  expect(groupOfObject(objectId(Buffer.from([4, 0, ...Buffer.alloc(14)])))).toBeUndefined();
  expect(groupOfObject(objectId(Buffer.from([3, 255, ...Buffer.alloc(14)])))).toBe(1023);
});
