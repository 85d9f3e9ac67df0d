import fc from "fast-check";
import { expect, test } from "vitest";
import { namesOnly, objectOfRef } from "../../../cache-node/relocation/glance-at-ref.ts";
import { nodeId, objectId } from "../../../src/ids.ts";
import { encodeRef } from "../../../src/wire/ref.ts";

const nodes = fc.integer({ min: 1, max: 2 ** 32 - 1 }).map(nodeId);

test("a glance sees the object and the nodes that the whole ref has", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.uint8Array({ minLength: 1, maxLength: 1024 }),
      fc.array(fc.uniqueArray(nodes, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 300 }),
      fc.nat(),
      (id, key, stripes, at) => {
        const object = objectId(id);
        const sizeBytes = stripes.length * 2 * 512 * 1024;
        const value = encodeRef({ object, key, sizeBytes, code: { d: 2, p: 1 }, stripes });
        expect(objectOfRef(value)).toBe(object);
        const all = new Set(stripes.flat());
        expect(namesOnly(value, all)).toBe(true);
        const absent = [...all][at % all.size]!;
        all.delete(absent);
        expect(namesOnly(value, all)).toBe(false);
      },
    ),
  );
});

test("a ref without a hint names nobody", () => {
  const ref = {
    object: objectId(Buffer.alloc(16, 1)),
    key: Buffer.from("a"),
    sizeBytes: 5,
    code: { d: 1, p: 0 },
  };
  expect(namesOnly(encodeRef({ ...ref, stripes: undefined }), new Set())).toBe(true);
});
