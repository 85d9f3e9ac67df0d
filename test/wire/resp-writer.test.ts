import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommandDecoder } from "../../src/wire/command-decoder.ts";
import { ReplyDecoder } from "../../src/wire/reply-decoder.ts";
import {
  RespDouble,
  RespError,
  RespMap,
  RespPush,
  RespSet,
  type RespValue,
  RespVerbatim,
} from "../../src/wire/resp-value.ts";
import { type RespProtocol, RespWriter } from "../../src/wire/resp-writer.ts";
import { WriteBufferPool } from "../../src/wire/write-buffer-pool.ts";
import { writeRespValue } from "../../src/wire/write-resp-value.ts";
import { arbitraryReads, playStream } from "./play-stream.ts";

function written(protocol: RespProtocol, write: (writer: RespWriter) => void): string {
  const writer = new RespWriter({ protocol });
  write(writer);
  return Buffer.concat(writer.take()).toString();
}

const big = "3492890328409238509324850943850943825024385";

/** What is written -> RESP2, RESP3. */
const forms: [string, (writer: RespWriter) => void, string, string][] = [
  ["null", (w) => w.null(), "$-1\r\n", "_\r\n"],
  ["nullArray", (w) => w.nullArray(), "*-1\r\n", "_\r\n"],
  ["true", (w) => w.bool(true), ":1\r\n", "#t\r\n"],
  ["false", (w) => w.bool(false), ":0\r\n", "#f\r\n"],
  ["0", (w) => w.integer(0), ":0\r\n", ":0\r\n"],
  ["-0", (w) => w.integer(-0), ":0\r\n", ":0\r\n"],
  ["9", (w) => w.integer(9), ":9\r\n", ":9\r\n"],
  ["10", (w) => w.integer(10), ":10\r\n", ":10\r\n"],
  ["-42", (w) => w.integer(-42), ":-42\r\n", ":-42\r\n"],
  ["int32 max", (w) => w.integer(2147483647), ":2147483647\r\n", ":2147483647\r\n"],
  ["int32 max + 1", (w) => w.integer(2147483648), ":2147483648\r\n", ":2147483648\r\n"],
  ["int64 min", (w) => w.integer(-(2n ** 63n)), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"],
  ["big number", (w) => w.integer(BigInt(big)), `$43\r\n${big}\r\n`, `(${big}\r\n`],
  ["double", (w) => w.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"],
  ["whole double", (w) => w.double(10), "$2\r\n10\r\n", ",10\r\n"],
  ["-0 as a double", (w) => w.double(-0), "$2\r\n-0\r\n", ",-0\r\n"],
  ["inf", (w) => w.double(Number.POSITIVE_INFINITY), "$3\r\ninf\r\n", ",inf\r\n"],
  ["-inf", (w) => w.double(Number.NEGATIVE_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"],
  ["nan", (w) => w.double(Number.NaN), "$3\r\nnan\r\n", ",nan\r\n"],
  ["ok", (w) => w.ok(), "+OK\r\n", "+OK\r\n"],
  ["simple", (w) => w.simple("grüße"), "+grüße\r\n", "+grüße\r\n"],
  ["error", (w) => w.error("ERR a\r\n+OK"), "-ERR a +OK\r\n", "-ERR a +OK\r\n"],
  ["bulk of bytes", (w) => w.bulk(Uint8Array.of(104, 105)), "$2\r\nhi\r\n", "$2\r\nhi\r\n"],
  ["bulk of text", (w) => w.bulk("ü€"), "$5\r\nü€\r\n", "$5\r\nü€\r\n"],
  [
    "bulk in pieces",
    (w) => w.bulkOf([Buffer.from("a"), Buffer.from(""), Buffer.from("bc")]),
    "$3\r\nabc\r\n",
    "$3\r\nabc\r\n",
  ],
  ["array", (w) => w.arrayHeader(2), "*2\r\n", "*2\r\n"],
  ["map", (w) => w.mapHeader(2), "*4\r\n", "%2\r\n"],
  ["set", (w) => w.setHeader(2), "*2\r\n", "~2\r\n"],
  ["push", (w) => w.pushHeader(3), "*3\r\n", ">3\r\n"],
  [
    "verbatim",
    (w) => w.verbatim("txt", "Some string"),
    "$11\r\nSome string\r\n",
    "=15\r\ntxt:Some string\r\n",
  ],
  [
    "command",
    (w) => w.command(["SET", Buffer.from("k"), 12.5]),
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n12.5\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n12.5\r\n",
  ],
];

test.each(forms)("%s in RESP2 and RESP3", (_, write, resp2, resp3) => {
  expect(written(2, write)).toBe(resp2);
  expect(written(3, write)).toBe(resp3);
});

test("text is right at every length around the thresholds, ASCII and not", () => {
  for (const character of ["a", "ü", "€", "😀"]) {
    for (const length of [0, 1, 31, 32, 33, 1000, 5461, 5462, 8192, 16_383, 16_384, 16_385, 70_000]) {
      const text = character.repeat(length);
      const bytes = Buffer.byteLength(text);
      expect(written(3, (w) => w.bulk(text)) === `$${bytes}\r\n${text}\r\n`).toBe(true);
      expect(written(3, (w) => w.simple(text)) === `+${text}\r\n`).toBe(true);
    }
  }
});

test("what would break the stream is refused", () => {
  const writer = new RespWriter();
  expect(() => writer.simple("a\nb")).toThrow(RangeError);
  expect(() => writer.simple("a\rb")).toThrow(RangeError);
  expect(() => writer.integer(1.5)).toThrow(RangeError);
  expect(() => writer.integer(2 ** 53)).toThrow(RangeError);
  writer.protocol = 3;
  expect(() => writer.verbatim("text", "x")).toThrow(RangeError);
  expect(writer.pendingBytes).toBe(0);
});

describe("round trip", () => {
  const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
  const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replaceAll(/[\r\n]/g, ""));
  const { value } = fc.letrec<{ value: RespValue; items: RespValue[] }>((tie) => ({
    items: fc.array(tie("value"), { maxLength: 4 }),
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.bigInt().filter((n) => n > Number.MAX_SAFE_INTEGER || n < Number.MIN_SAFE_INTEGER),
      fc.double().map((n) => new RespDouble(n)),
      line,
      bytes,
      line.map((text) => new RespError(text)),
      bytes.map((b) => new RespVerbatim("txt", b)),
      tie("items"),
      tie("items").map((items) => new RespSet(items)),
      tie("items").map((items) => new RespMap(items.slice(items.length & 1))),
    ),
  }));

  function decoded(stream: Uint8Array, reads: Parameters<typeof playStream>[2]): RespValue[] {
    const values: RespValue[] = [];
    const decoder = new ReplyDecoder(
      { onReply: (v) => values.push(v), bodyTarget: (length) => Buffer.alloc(length) },
      { directBodyMin: 8, directBytesMin: 3 },
    );
    playStream(decoder, stream, reads);
    return values;
  }

  /** What RESP2 makes of a value. */
  function inResp2(v: RespValue): RespValue {
    if (typeof v === "boolean") return v ? 1 : 0;
    if (typeof v === "bigint") return v >= -(2n ** 63n) && v < 2n ** 63n ? v : Buffer.from(String(v));
    if (v instanceof RespVerbatim) return v.bytes;
    if (v instanceof RespDouble) {
      if (Object.is(v.value, -0)) return Buffer.from("-0");
      return Buffer.from(String(v.value).replace("Infinity", "inf").replace("NaN", "nan"));
    }
    if (Array.isArray(v)) return v.map(inResp2);
    if (v instanceof RespMap || v instanceof RespSet || v instanceof RespPush) return v.items.map(inResp2);
    return v;
  }

  const stream = (
    protocol: RespProtocol,
    values: readonly RespValue[],
    referenceBytesMin: number,
  ): Buffer => {
    const writer = new RespWriter({ protocol, referenceBytesMin, pool: new WriteBufferPool(64) });
    for (const v of values) writeRespValue(writer, v);
    return Buffer.concat(writer.take());
  };

  test("RESP3 gives every value back; RESP2 its nearest form", () => {
    const values = fc.array(
      fc.oneof(
        value,
        fc.array(value, { maxLength: 3 }).map((items) => new RespPush(items)),
      ),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(
        values,
        arbitraryReads(50),
        fc.integer({ min: 1, max: 64 }),
        (sent, reads, referenceBytesMin) => {
          expect(decoded(stream(3, sent, referenceBytesMin), reads)).toStrictEqual(sent);
          expect(decoded(stream(2, sent, referenceBytesMin), reads)).toStrictEqual(sent.map(inResp2));
        },
      ),
      { numRuns: 500 },
    );
  });

  test("commands arrive as they were sent", () => {
    const arg = fc.oneof(fc.string({ unit: "grapheme" }), fc.uint8Array({ maxLength: 100 }), fc.integer());
    fc.assert(
      fc.property(fc.array(arg, { minLength: 1, maxLength: 5 }), arbitraryReads(50), (args, reads) => {
        const writer = new RespWriter({ referenceBytesMin: 20, pool: new WriteBufferPool(64) });
        writer.command(args);
        const { pendingBytes } = writer;
        const bytes = Buffer.concat(writer.take());
        expect(bytes.length).toBe(pendingBytes);
        const got: Buffer[][] = [];
        const decoder = new CommandDecoder({
          onCommand: (received) => got.push(received.map((r) => Buffer.from(r))),
          bodyTarget: () => undefined,
          onAbortedBody: () => {},
        });
        playStream(decoder, bytes, reads);
        expect(got).toEqual([args.map((a) => Buffer.from(typeof a === "number" ? String(a) : a))]);
      }),
    );
  });
});

describe("chunks", () => {
  const large = Buffer.alloc(16 * 1024, "x");

  test("a large bulk is referenced, not copied, and what stands around it is coalesced", () => {
    const writer = new RespWriter();
    writer.integer(1);
    writer.bulk(large);
    writer.integer(2);
    writer.bulk(large.subarray(1));
    expect(writer.pendingBytes).toBe(4 + 8 + 16_384 + 2 + 4 + 8 + 16_383 + 2);
    const chunks = writer.take();
    expect(chunks.map((chunk) => chunk.length)).toEqual([12, 16_384, 2 + 4 + 8 + 16_383 + 2]);
    expect(chunks[1]).toBe(large);
    expect(writer.pendingBytes).toBe(0);
    expect(writer.take()).toEqual([]);
  });

  test("pieces of one bulk are referenced or copied each by its length", () => {
    const writer = new RespWriter();
    writer.bulkOf([Buffer.from("ab"), large, Buffer.from("cd"), large]);
    const chunks = writer.take();
    expect(chunks.map((chunk) => chunk.length)).toEqual([10, 16_384, 2, 16_384, 2]);
    expect(chunks[3]).toBe(large);
  });

  test("the thing handed out is not overwritten until it is recycled, however much follows", () => {
    const writer = new RespWriter({ pool: new WriteBufferPool(256), referenceBytesMin: 100 });
    const taken: { chunk: Uint8Array; copy: Buffer }[] = [];
    for (let i = 0; i < 200; i++) {
      writer.command(["SET", `key${i}`, "v".repeat(i % 90)]);
      if (i % 7 !== 0) continue;
      for (const chunk of writer.take()) taken.push({ chunk, copy: Buffer.from(chunk) });
    }
    expect(taken.every(({ chunk, copy }) => copy.equals(chunk))).toBe(true);
    expect(Buffer.concat(taken.map(({ copy }) => copy)).toString()).toContain("key196");
  });

  test("after recycle the same memory is used again; before it the rest of the buffer", () => {
    const writer = new RespWriter({ pool: new WriteBufferPool(256), referenceBytesMin: 100 });
    const next = (): Uint8Array => {
      writer.ok();
      return writer.take()[0]!;
    };
    const first = next();
    const second = next();
    expect([second.buffer === first.buffer, second.byteOffset - first.byteOffset]).toEqual([true, 5]);
    writer.recycle();
    const third = next();
    expect([third.buffer === first.buffer, third.byteOffset - first.byteOffset]).toEqual([true, 0]);
  });

  test("recycle with something pending changes nothing", () => {
    const writer = new RespWriter();
    writer.simple("first");
    const [first] = writer.take();
    writer.simple("second");
    writer.recycle();
    writer.simple("third");
    expect(Buffer.from(first!).toString()).toBe("+first\r\n");
    expect(Buffer.concat(writer.take()).toString()).toBe("+second\r\n+third\r\n");
  });

  test("writers of one pool share buffers, and an idle one holds none", () => {
    const pool = new WriteBufferPool(256);
    const memory = new Set<ArrayBufferLike>();
    for (let i = 0; i < 10; i++) {
      const writer = new RespWriter({ pool, referenceBytesMin: 100 });
      for (let j = 0; j < 100; j++) writer.ok();
      for (const chunk of writer.take()) memory.add(chunk.buffer);
      writer.recycle();
    }
    expect(memory.size).toBe(2);
  });

  test("a pool keeps no more spares than it was told", () => {
    const pool = new WriteBufferPool(256, 1);
    const [a, b] = [pool.take(), pool.take()];
    pool.give(a);
    pool.give(b);
    expect(pool.take()).toBe(a);
    expect(pool.take()).not.toBe(b);
  });

  test("options that cannot work are refused", () => {
    expect(() => new WriteBufferPool(63)).toThrow(RangeError);
    expect(() => new RespWriter({ referenceBytesMin: 0 })).toThrow(RangeError);
    expect(() => new RespWriter({ referenceBytesMin: 257, pool: new WriteBufferPool(256) })).toThrow(
      RangeError,
    );
  });
});
