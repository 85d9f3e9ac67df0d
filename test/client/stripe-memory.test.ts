import { expect, test } from "vitest";
import { StripeMemory } from "../../client/stripe-memory.ts";
import { startDeadline } from "../../client/transport/deadline.ts";
import { systemClock } from "../../src/clock.ts";
import { shardBytesMax } from "../../src/wire/stripe-layout.ts";
import { FakeClock } from "../controller/fake-clock.ts";

const mebibyte = 2 ** 20;
const soon = (timeoutMs = 10_000, signal?: AbortSignal) =>
  startDeadline(systemClock, timeoutMs, signal, "the test");
/** Two stripes of this code fit 8 MiB. */
const code = { d: 4, p: 2 };

test("leases do not overlap, and hold their shards and sums", async () => {
  const memory = new StripeMemory(16 * mebibyte);
  const regions: [number, number][] = [];
  for (const shardBytes of [shardBytesMax, 128, 16 * 1024, 100_096]) {
    const lease = await memory.lease(code, shardBytes, soon());
    const shards = code.d + code.p;
    const frames = Math.ceil(shardBytes / (16 * 1024));
    expect(lease.stride).toBeGreaterThanOrEqual(shardBytes);
    const end = lease.sumsAt(shards - 1) + frames * 8;
    expect(lease.sumsAt(0)).toBeGreaterThanOrEqual(lease.base + (shards - 1) * lease.stride + shardBytes);
    for (let shard = 1; shard < shards; shard++) {
      expect(lease.sumsAt(shard) - lease.sumsAt(shard - 1)).toBeGreaterThanOrEqual(frames * 8);
    }
    expect(end).toBeLessThanOrEqual(memory.buffer.length);
    for (const [from, to] of regions) expect(end <= from || lease.base >= to).toBe(true);
    regions.push([lease.base, end]);
  }
});

test("coding and summing in a lease leaves every other lease as it is", async () => {
  const memory = new StripeMemory(8 * mebibyte);
  const other = await memory.lease(code, 64 * 1024, soon());
  const otherBytes = code.d * other.stride;
  memory.buffer.fill(0x5a, other.base, other.base + otherBytes);
  const lease = await memory.lease(code, 64 * 1024, soon());
  memory.codec(code).encode(lease.base, lease.stride, 64 * 1024);
  memory.checksums.hashFrames(lease.base, 64 * 1024, 16 * 1024, lease.sumsAt(0));
  expect(memory.view(other.base, otherBytes).equals(Buffer.alloc(otherBytes, 0x5a))).toBe(true);
});

test("who finds no room waits until there is some", async () => {
  const memory = new StripeMemory(8 * mebibyte);
  const first = await memory.lease(code, shardBytesMax, soon());
  await memory.lease(code, shardBytesMax, soon());
  let granted = false;
  const waiting = memory.lease(code, shardBytesMax, soon()).then((lease) => {
    granted = true;
    return lease;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(granted).toBe(false);
  first.release();
  expect((await waiting).base).toBe(first.base);
});

test("a large stripe that waits is not passed by small ones", async () => {
  const memory = new StripeMemory(8 * mebibyte);
  const first = await memory.lease(code, shardBytesMax, soon());
  const second = await memory.lease(code, shardBytesMax, soon());
  const order: string[] = [];
  const large = memory.lease({ d: 8, p: 2 }, shardBytesMax, soon()).then((lease) => {
    order.push("large");
    return lease;
  });
  const small = memory.lease({ d: 1, p: 1 }, 128, soon()).then(() => order.push("small"));
  first.release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual([]);
  second.release();
  await large;
  await small;
  expect(order).toEqual(["large", "small"]);
});

test("who waits gives up at its deadline or abort, and lets those behind it pass", async () => {
  const clock = new FakeClock();
  const memory = new StripeMemory(8 * mebibyte);
  const leases = [
    await memory.lease(code, shardBytesMax, soon()),
    await memory.lease(code, shardBytesMax, soon()),
  ];
  const abort = new AbortController();
  const late = memory.lease(code, shardBytesMax, startDeadline(clock, 50, undefined, "the late one"));
  const aborted = memory.lease(code, shardBytesMax, soon(10_000, abort.signal));
  const patient = memory.lease(code, shardBytesMax, soon());
  const lateEnds = expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await clock.advance(50);
  await lateEnds;
  abort.abort();
  await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
  leases[0]?.release();
  expect((await patient).base).toBe(leases[0]?.base);
});

test("a lease that comes in the moment of giving up is not lost", async () => {
  const clock = new FakeClock();
  const memory = new StripeMemory(8 * mebibyte);
  const first = await memory.lease(code, shardBytesMax, soon());
  const second = await memory.lease(code, shardBytesMax, soon());
  const deadline = startDeadline(clock, 50, undefined, "the late one");
  const late = memory.lease(code, shardBytesMax, deadline);
  // Granted, but time is up before the promise is told.
  const release = new Promise<void>((resolve) => {
    clock.after(50, () => {
      first.release();
      resolve();
    });
  });
  const outcome = late.then(
    (lease) => lease.release(),
    () => undefined,
  );
  await clock.advance(50);
  await release;
  await outcome;
  second.release();
  // All is free again: two full stripes fit.
  await memory.lease(code, shardBytesMax, soon(1000));
  await memory.lease(code, shardBytesMax, soon(1000));
});

test("releasing twice frees nobody else's memory", async () => {
  const memory = new StripeMemory(8 * mebibyte);
  const first = await memory.lease(code, shardBytesMax, soon());
  first.release();
  const again = await memory.lease(code, shardBytesMax, soon());
  expect(again.base).toBe(first.base);
  first.release();
  const other = await memory.lease(code, shardBytesMax, soon());
  expect(other.base).not.toBe(again.base);
});

test("a stripe that can never fit is refused at once, and says what to do", async () => {
  const memory = new StripeMemory(8 * mebibyte);
  await expect(memory.lease({ d: 16, p: 4 }, shardBytesMax, soon())).rejects.toMatchObject({
    code: "TOO_LARGE",
    message: expect.stringMatching(/16\+4.*8388608.*stripeMemoryBytes/),
  });
  expect(() => new StripeMemory(7 * mebibyte)).toThrow(RangeError);
});
