/** Bytes in and out of the SDK, against a fleet in this process: sizes, codes, ranges, buffers, streams. */
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Job } from "../../client/job.ts";
import type { Code } from "../../src/placement/types.ts";
import { Ref } from "../../src/wire/ref.ts";
import { inlineBytesMax, shardBytesMax, stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import { type InProcessFleet, startInProcessFleet } from "../support/in-process-fleet.ts";
import { until } from "../support/until.ts";
import { anyBytes } from "../support/written-keys.ts";

let fleet: InProcessFleet;
const jobs = new Map<string, Job>();
const codes: readonly Code[] = [
  { d: 1, p: 0 },
  { d: 1, p: 1 },
  { d: 2, p: 1 },
  { d: 4, p: 2 },
];
const nameOf = ({ d, p }: Code): string => `${d}+${p}`;
const code = (expected: string) => expect.objectContaining({ code: expected });

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 6, nodeMemoryBytes: 48 * 2 ** 20 });
  for (const each of codes) jobs.set(nameOf(each), await fleet.begin({ code: each }));
});
afterAll(() => fleet.stop());

const job = (name = "2+1"): Job => jobs.get(name)!;

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe.each(codes.map(nameOf))("with code %s", (name) => {
  const d = Number(name[0]);
  const stripe = d * shardBytesMax;
  const sizes = [0, 1, inlineBytesMax - 1, inlineBytesMax, inlineBytesMax + 1, 100_001];
  const large = [stripe - 1, stripe, stripe + 1, 2 * stripe + 12_345];

  test.each([...sizes, ...large])("%i bytes come back by key, by ref and by printed ref", async (size) => {
    const bytes = anyBytes(size);
    const ref = await job(name).put("sizes", bytes);
    expect(ref.sizeBytes).toBe(size);
    expect(ref.inline).toBe(size <= inlineBytesMax);
    for (const from of ["sizes", Buffer.from("sizes"), ref, Ref.parse(ref.toString())]) {
      expect(bytes.equals(await job(name).get(from))).toBe(true);
    }
    expect(bytes.equals(await collect(job(name).stream("sizes")))).toBe(true);
    await job(name).delete("sizes");
  });

  test("any range is the same slice", async () => {
    const bytes = anyBytes(stripe + 70_000);
    const ref = await job(name).put("ranges", bytes);
    const edge = fc.oneof(
      fc.nat(bytes.length),
      fc.constantFrom(
        0,
        1,
        16_383,
        16_384,
        16_385,
        shardBytesMax - 1,
        shardBytesMax,
        stripe - 1,
        stripe,
        stripe + 1,
      ),
    );
    await fc.assert(
      fc.asyncProperty(edge, edge, fc.boolean(), async (a, b, byKey) => {
        const range = { start: Math.min(a, b), end: Math.max(a, b) };
        const got = await job(name).get(byKey ? "ranges" : ref, { range });
        expect(bytes.subarray(range.start, range.end).equals(got)).toBe(true);
      }),
      { numRuns: 40 },
    );
    await job(name).delete("ranges");
  });
});

describe("ranges and buffers", () => {
  test("of values that lie in their cell", async () => {
    const ref = await job().put("small", "0123456789");
    const range = { start: 2, end: 5 };
    expect(String(await job().get("small", { range }))).toBe("234");
    expect(String(await job().get(ref, { range: { start: 9, end: 99 } }))).toBe("9");
    expect(String(await job().get(ref, { range: { start: 10, end: 10 } }))).toBe("");
    expect(String(await collect(job().stream("small", { range })))).toBe("234");
  });

  test.each([
    [{ start: -1, end: 5 }],
    [{ start: 5, end: 4 }],
    [{ start: 100_001, end: 100_002 }],
    [{ start: 0.5, end: 4 }],
    [{ start: 0, end: Number.NaN }],
  ])("%j is refused", async (range) => {
    const ref = await job().put("large", anyBytes(100_000));
    for (const from of ["large", ref]) {
      await expect(job().get(from, { range })).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
  });

  test("bytes are received in the caller's memory, and nothing behind them is touched", async () => {
    for (const size of [10, 300_000]) {
      const bytes = anyBytes(size);
      await job().put("into", bytes);
      const into = Buffer.alloc(size + 100, 0xaa);
      const got = await job().get("into", { into });
      expect(got.buffer).toBe(into.buffer);
      expect(bytes.equals(got)).toBe(true);
      expect(into.subarray(size).equals(Buffer.alloc(100, 0xaa))).toBe(true);
      const small = Buffer.alloc(size - 1);
      await expect(job().get("into", { into: small })).rejects.toThrow(code("INVALID_ARGUMENT"));
      await expect(job().get("into", { into: small, range: { start: 1, end: size } })).resolves.toBeDefined();
    }
  });
});

describe("a result in the caller's memory", () => {
  const [before, fill] = [16, 0xaa];

  test.each([10, inlineBytesMax, 300_000, 2_500_000])(
    "is a view of it, all or a range of %i bytes",
    async (size) => {
      const bytes = anyBytes(size);
      const ref = await job().put("view", bytes);
      const ranges = [
        undefined,
        { start: 1, end: size - 1 },
        { start: size - 7, end: size + 99 },
        { start: size, end: size },
      ];
      for (const range of ranges) {
        const wanted = bytes.subarray(range?.start ?? 0, range?.end ?? size);
        for (const from of ["view", ref]) {
          for (const room of [0, 100]) {
            const memory = Buffer.alloc(before + wanted.length + room + 50, fill);
            const into = memory.subarray(before, before + wanted.length + room);
            const got = await job().get(from, { into, ...(range && { range }) });
            expect([got.buffer === memory.buffer, got.byteOffset]).toEqual([true, into.byteOffset]);
            expect(wanted.equals(got)).toBe(true);
            const around = Buffer.concat([
              memory.subarray(0, before),
              memory.subarray(before + wanted.length),
            ]);
            expect(around.every((byte) => byte === fill)).toBe(true);
          }
        }
      }
    },
  );

  test.each([10, 300_000])("must fit, or nothing is written: %i bytes", async (size) => {
    const ref = await job().put("tight", anyBytes(size));
    for (const from of ["tight", ref]) {
      for (const range of [undefined, { start: 3, end: size - 3 }]) {
        const length = range === undefined ? size : range.end - range.start;
        for (const into of [Buffer.alloc(length - 1, fill), Buffer.alloc(0)]) {
          const reading = job().get(from, { into, ...(range && { range }) });
          await expect(reading).rejects.toMatchObject({
            code: "INVALID_ARGUMENT",
            message: expect.stringContaining(`${into.length} bytes and the result has ${length}`),
          });
          expect(into.every((byte) => byte === fill)).toBe(true);
        }
      }
    }
  });
});

describe("streams", () => {
  const pieces = (bytes: Buffer, length: number): Buffer[] =>
    Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
      bytes.subarray(i * length, (i + 1) * length),
    );

  test("of all kinds are stored as one object", async () => {
    const bytes = anyBytes(2 * stripeBytesMax({ d: 2, p: 1 }) + 5);
    const sources: [string, AsyncIterable<Uint8Array> | Iterable<Uint8Array>][] = [
      ["Node stream", Readable.from(pieces(bytes, 60_001))],
      ["web stream", ReadableStream.from(pieces(bytes, 60_001)) as unknown as AsyncIterable<Uint8Array>],
      ["array", pieces(bytes, 2_000_000)],
      ["one chunk", [bytes]],
      ["another object", job().stream("source")],
    ];
    await job().put("source", bytes);
    for (const [what, source] of sources) {
      const ref = await job().put("target", source);
      expect(ref.sizeBytes, what).toBe(bytes.length);
      expect(bytes.equals(await job().get("target")), what).toBe(true);
    }
  });

  test("that turn out to be short lie in the cell", async () => {
    for (const size of [0, 1, inlineBytesMax]) {
      const bytes = anyBytes(size);
      const ref = await job().put("short", pieces(bytes, 1000));
      expect(ref.inline).toBe(true);
      expect(bytes.equals(await job().get("short"))).toBe(true);
    }
    const ref = await job().put("short", pieces(anyBytes(inlineBytesMax + 1), 1000));
    expect(ref.inline).toBe(false);
  });

  test("come out in pieces of the size asked for", async () => {
    const bytes = anyBytes(1_000_000);
    await job().put("pieces", bytes);
    const lengths: number[] = [];
    for await (const piece of job().stream("pieces", { chunkBytes: 300_000 })) lengths.push(piece.length);
    expect(lengths).toEqual([300_000, 300_000, 300_000, 100_000]);
    const range = { start: 123_456, end: 654_321 };
    const part = await collect(job().stream("pieces", { range, chunkBytes: 100_000 }));
    expect(bytes.subarray(range.start, range.end).equals(part)).toBe(true);
  });

  test("that fail leave nothing behind: neither the key nor memory", async () => {
    const used = async (): Promise<number> => {
      const { nodes } = await fleet.client.status();
      return nodes.reduce((sum, node) => sum + node.usedBytes, 0);
    };
    const own = await fleet.begin({ code: { d: 2, p: 1 } });
    await own.put("before", anyBytes(1));
    const bytes = anyBytes(stripeBytesMax({ d: 2, p: 1 }));
    async function* failing(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 6; i++) yield bytes;
      throw new Error("the source broke");
    }
    const held = async (): Promise<number> => {
      const { jobs: all } = await fleet.client.status();
      return all.find((each) => each.job === own.number)!.usedBytes;
    };
    expect(await used()).toBeGreaterThan(0);
    await expect(own.put("broken", failing())).rejects.toMatchObject({
      code: "INPUT_INVALID",
      message: expect.stringContaining("the source broke"),
    });
    await expect(own.get("broken")).rejects.toThrow(code("NOT_FOUND"));
    await until("its shards are freed", async () => (await held()) < 4 * 2 ** 20);
    await own.end();
  });

  test("that stall do not keep a call beyond its timeout", async () => {
    const stalled = (async function* (): AsyncGenerator<Buffer> {
      yield anyBytes(100_000);
      await new Promise(() => undefined);
    })();
    await expect(job().put("stalled", stalled, { timeoutMs: 100 })).rejects.toThrow(
      code("DEADLINE_EXCEEDED"),
    );
  });

  test("of anything but bytes are refused", async () => {
    for (const data of [["text"], [1, 2], Readable.from(["text"])]) {
      await expect(job().put("k", data as unknown as Uint8Array[])).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
    for (const data of [undefined, null, 5, {}, new ArrayBuffer(8)]) {
      await expect(job().put("k", data as unknown as Uint8Array)).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
  });
});
