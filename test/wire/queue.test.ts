import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeMessage,
  encodeMessage,
  messageField,
  messageNumberMax,
  numberOfField,
} from "../../src/wire/queue.ts";

test("fields of messages sort as their numbers do", () => {
  const number = fc.integer({ min: 0, max: messageNumberMax });
  fc.assert(
    fc.property(number, number, (a, b) => {
      expect(messageField(a) < messageField(b)).toBe(a < b);
      expect(numberOfField(messageField(a))).toBe(a);
    }),
  );
  for (const other of ["n", "k", "z", "m", "messages", "iabcdef"])
    expect(numberOfField(other)).toBe(undefined);
});

test("a message comes back as it was, and what is none is told", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (name, body) => {
      const decoded = decodeMessage(encodeMessage({ name, body }))!;
      expect([Buffer.compare(decoded.name, name), Buffer.compare(decoded.body, body)]).toEqual([0, 0]);
    }),
  );
  for (const bytes of [[], [5, 1], [0xff, 0xff, 0xff, 0xff, 0xff], [0x81, 0x04]])
    expect(decodeMessage(Uint8Array.from(bytes))).toBe(undefined);
});
