import fc from "fast-check";
import { expect, test } from "vitest";
import { crc16, groupCount, groupOf, hashTag, slotOf } from "../../src/placement/groups.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (view: Uint8Array): string => Buffer.from(view).toString();

test("crc16 gives the check value of CRC16/XMODEM", () => {
  expect(crc16(bytes("123456789"))).toBe(0x31c3);
  expect(crc16(bytes(""))).toBe(0);
});

test("slots are those of Redis Cluster", () => {
  // As CLUSTER KEYSLOT of redis-server answers.
  expect(slotOf(bytes("foo"))).toBe(12182);
  expect(slotOf(bytes("bar"))).toBe(5061);
  expect(slotOf(bytes("hello"))).toBe(866);
  expect(slotOf(bytes("somekey"))).toBe(11058);
  expect(slotOf(bytes("foo{hash_tag}"))).toBe(2515);
  expect(slotOf(bytes("bar{hash_tag}"))).toBe(2515);
  expect(slotOf(bytes(""))).toBe(0);
});

test("a hash tag is what the Redis Cluster specification says it is", () => {
  expect(text(hashTag(bytes("{user1000}.following")))).toBe("user1000");
  expect(text(hashTag(bytes("{user1000}.followers")))).toBe("user1000");
  expect(text(hashTag(bytes("foo{}{bar}")))).toBe("foo{}{bar}");
  expect(text(hashTag(bytes("foo{{bar}}zap")))).toBe("{bar");
  expect(text(hashTag(bytes("foo{bar}{zap}")))).toBe("bar");
  expect(text(hashTag(bytes("}foo{bar")))).toBe("}foo{bar");
});

test("keys with the same tag share a group, and groups are runs of 16 slots", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (key) => {
      expect(groupOf(key)).toBe(Math.floor(slotOf(key) / 16));
      expect(groupOf(key)).toBeLessThan(groupCount);
      const tagged = Buffer.concat([bytes("{tag}"), key]);
      expect(groupOf(tagged)).toBe(groupOf(bytes("tag")));
    }),
  );
});
