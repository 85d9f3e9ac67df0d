import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReplyDecoder } from "../../src/wire/reply-decoder.ts";
import { replyLimits } from "../../src/wire/resp-limits.ts";
import {
  RespDouble,
  RespError,
  RespMap,
  RespPush,
  RespSet,
  type RespValue,
  RespVerbatim,
} from "../../src/wire/resp-value.ts";
import { arbitraryReads, playStream, type Read, systematicReads } from "./play-stream.ts";

function recorder(limits = replyLimits, give: (length: number) => boolean = (length) => length % 2 === 0) {
  const calls: unknown[] = [];
  const replies: RespValue[] = [];
  const given: Uint8Array[] = [];
  const decoder = new ReplyDecoder(
    {
      onReply(value) {
        replies.push(value);
        calls.push({ value });
      },
      bodyTarget(payloadBytes, stack) {
        calls.push({ payloadBytes, stack: structuredClone(stack.map((items) => items.map(String))) });
        if (!give(payloadBytes)) return undefined;
        const target = Buffer.alloc(payloadBytes);
        given.push(target);
        return target;
      },
    },
    { limits, directBodyMin: 8, directBytesMin: 2 },
  );
  const play = (stream: Uint8Array, reads: readonly Read[] = []) => {
    try {
      playStream(decoder, stream, reads);
    } catch (error) {
      calls.push(String(error));
    }
    return calls;
  };
  return { decoder, calls, replies, given, play };
}

const bulk = (text: string): Buffer => Buffer.from(text);

/** The wire form, as the RESP specification and real servers write it -> the value. */
const corpus: [string, RespValue][] = [
  ["+OK\r\n", "OK"],
  ["+mf\r\n", "mf"],
  ["+\r\n", ""],
  ["+OKAY grüße\r\n", "OKAY grüße"],
  ["-ERR unknown command 'x'\r\n", new RespError("ERR unknown command 'x'")],
  ["!21\r\nSYNTAX invalid syntax\r\n", new RespError("SYNTAX invalid syntax")],
  [":0\r\n", 0],
  [":1000\r\n", 1000],
  [":-7\r\n", -7],
  [":+7\r\n", 7],
  [":123456789012345\r\n", 123456789012345],
  [":9007199254740991\r\n", Number.MAX_SAFE_INTEGER],
  [":-9007199254740991\r\n", Number.MIN_SAFE_INTEGER],
  [":9007199254740993\r\n", 9007199254740993n],
  [":9223372036854775807\r\n", 9223372036854775807n],
  [":-9223372036854775808\r\n", -9223372036854775808n],
  ["(3492890328409238509324850943850943825024385\r\n", 3492890328409238509324850943850943825024385n],
  ["(-12\r\n", -12n],
  ["(+12\r\n", 12n],
  [",1.23\r\n", new RespDouble(1.23)],
  [",10\r\n", new RespDouble(10)],
  [",-1.5e-7\r\n", new RespDouble(-1.5e-7)],
  [",inf\r\n", new RespDouble(Number.POSITIVE_INFINITY)],
  [",-inf\r\n", new RespDouble(Number.NEGATIVE_INFINITY)],
  [",nan\r\n", new RespDouble(Number.NaN)],
  ["#t\r\n", true],
  ["#f\r\n", false],
  ["_\r\n", null],
  ["$-1\r\n", null],
  ["*-1\r\n", null],
  ["$0\r\n\r\n", bulk("")],
  ["$5\r\nhello\r\n", bulk("hello")],
  ["$9\r\nnine\r\n+OK\r\n", bulk("nine\r\n+OK")],
  ["$10\r\n0123456789\r\n", bulk("0123456789")],
  ["=15\r\ntxt:Some string\r\n", new RespVerbatim("txt", bulk("Some string"))],
  ["=4\r\nmkd:\r\n", new RespVerbatim("mkd", bulk(""))],
  ["*0\r\n", []],
  ["*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n-E\r\n", [1, null, ["a", new RespError("E")]]],
  ["*2\r\n*0\r\n%0\r\n", [[], new RespMap([])]],
  ["%2\r\n+first\r\n:1\r\n$6\r\nsecond\r\n*1\r\n#t\r\n", new RespMap(["first", 1, bulk("second"), [true]])],
  ["~3\r\n+a\r\n:2\r\n~0\r\n", new RespSet(["a", 2, new RespSet([])])],
  [">0\r\n", new RespPush([])],
  [">3\r\n+mf\r\n:17\r\n$12\r\nabcdefghijkl\r\n", new RespPush(["mf", 17, bulk("abcdefghijkl")])],
  [
    ">3\r\n+mf\r\n:18\r\n*3\r\n$8\r\n01234567\r\n_\r\n$9\r\n012345678\r\n",
    new RespPush(["mf", 18, [bulk("01234567"), null, bulk("012345678")]]),
  ],
  // Attributes are dropped, wherever they may stand and whatever is in them.
  ["|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.19\r\n$8\r\nbbbbbbbb\r\n,0.01\r\n:5\r\n", 5],
  ["*2\r\n|1\r\n+ttl\r\n:3600\r\n:1\r\n|0\r\n:2\r\n", [1, 2]],
  ["|1\r\n|1\r\n+x\r\n+y\r\n+a\r\n+b\r\n|0\r\n*0\r\n", []],
];

describe("cut points", () => {
  test.each(corpus)("%j", (wire, value) => {
    const whole = recorder();
    whole.play(bulk(wire));
    expect(whole.replies).toStrictEqual([value]);
    for (const reads of systematicReads(wire.length, 20)) {
      expect(recorder().play(bulk(wire), reads)).toStrictEqual(whole.calls);
    }
  });

  test("streams of replies, random reads, feed and direct mixed", () => {
    const replies = fc.array(fc.constantFrom(...corpus), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(replies, arbitraryReads(40), (sent, reads) => {
        const run = recorder();
        run.play(bulk(sent.map(([wire]) => wire).join("")), reads);
        expect(run.replies).toStrictEqual(sent.map(([, value]) => value));
        expect(run.decoder.midReply).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes at all, faults included, give the same calls however they are cut", () => {
    const piece = fc.constantFrom(
      ..."*1\r\n _ \r\n *2\r\n $1\r\na\r\n $10\r\n 0123456789\r\n %1\r\n |1\r\n >1\r\n : 1 -1 + - , # ( ! = ~".split(
        " ",
      ),
      ...":1\r\n +x\r\n #t\r\n _\r\n =4\r\ntxt:\r\n".split(" "),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), arbitraryReads(12), (pieces, reads) => {
        const stream = bulk(pieces.join(""));
        expect(recorder().play(stream, reads)).toStrictEqual(recorder().play(stream));
      }),
      { numRuns: 1000 },
    );
  });

  test("midReply is true exactly between the first and the last byte of a reply", () => {
    const wire = bulk("|1\r\n+a\r\n+b\r\n*2\r\n%1\r\n+k\r\n$9\r\n012345678\r\n:1\r\n");
    for (let cut = 0; cut <= wire.length; cut++) {
      const { decoder } = recorder();
      decoder.feed(wire.subarray(0, cut));
      // After an attribute and before its value nothing is open; a reply that never comes is not waited for.
      const afterAttribute = "|1\r\n+a\r\n+b\r\n".length;
      expect(decoder.midReply).toBe(cut > 0 && cut < wire.length && cut !== afterAttribute);
    }
  });
});

describe("targets", () => {
  const tagged = (tag: number, items: string[]): string =>
    `>3\r\n+mf\r\n:${tag}\r\n*${items.length}\r\n${items.map((i) => `$${i.length}\r\n${i}\r\n`).join("")}`;

  test("the stack says where the bulk stands, and the very target stands in the reply", () => {
    const memory = new Uint8Array(64);
    const asked: unknown[] = [];
    const replies: RespValue[] = [];
    const decoder = new ReplyDecoder(
      {
        onReply: (value) => replies.push(value),
        bodyTarget(payloadBytes, stack) {
          asked.push([payloadBytes, stack.map((items) => [...items])]);
          const at = payloadBytes === 10 ? 10 : 30;
          return memory.subarray(at, at + payloadBytes);
        },
      },
      { directBodyMin: 8, directBytesMin: 8 },
    );
    const wire = bulk(tagged(17, ["small", "0123456789", "", "01234567"]));
    const body = wire.indexOf("0123456789");
    decoder.feed(wire.subarray(0, body));
    expect(asked).toEqual([[10, [["mf", 17], [bulk("small")]]]]);
    const direct = decoder.directTarget()!;
    expect([direct.buffer, direct.byteOffset, direct.length]).toEqual([memory.buffer, 10, 10]);
    direct.set(wire.subarray(body, body + 10));
    decoder.directReceived(10);
    decoder.feed(wire.subarray(body + 10));
    expect(asked[1]).toEqual([
      8,
      [
        ["mf", 17],
        [bulk("small"), memory.subarray(10, 20), bulk("")],
      ],
    ]);
    const items = (replies[0] as RespPush).items[2] as Uint8Array[];
    expect(items.map((item) => item.buffer === memory.buffer)).toEqual([false, true, false, true]);
    expect(Buffer.from(items[1]!).toString()).toBe("0123456789");
    expect(Buffer.from(memory.subarray(30, 38)).toString()).toBe("01234567");
  });

  test("top-level bulks are asked for with an empty stack; attributes, errors and verbatim strings are not", () => {
    const { calls, play } = recorder();
    play(bulk("$8\r\n01234567\r\n|1\r\n$8\r\n01234567\r\n+x\r\n!8\r\n01234567\r\n=8\r\ntxt:4567\r\n"));
    play(bulk("$9\r\n012345678\r\n"));
    expect(calls.filter((call) => "payloadBytes" in (call as object))).toEqual([
      { payloadBytes: 8, stack: [] },
      { payloadBytes: 9, stack: [] },
    ]);
  });

  test("a target of another length is a programmer's mistake", () => {
    const decoder = new ReplyDecoder(
      { onReply() {}, bodyTarget: (n) => new Uint8Array(n + 1) },
      { directBodyMin: 8 },
    );
    expect(() => decoder.feed(bulk("$8\r\n"))).toThrow(RangeError);
  });

  test("what the decoder allocates outlives the chunk", () => {
    const { replies, play } = recorder(replyLimits, () => false);
    play(bulk(`$5\r\nhello\r\n$5000\r\n${"x".repeat(5000)}\r\n`));
    expect(replies).toEqual([bulk("hello"), bulk("x".repeat(5000))]);
  });

  test.each([
    ["fed", false],
    ["direct", true],
  ])("an abandoned target is written no more, and the stream stays in step (%s)", (_, direct) => {
    const { decoder, given, replies } = recorder();
    decoder.feed(bulk(">3\r\n+mf\r\n:1\r\n$10\r\n0123"));
    expect(decoder.abandonBody(new Uint8Array(10))).toBe(false);
    const outstanding = decoder.directTarget();
    expect(decoder.abandonBody(given[0]!)).toBe(true);
    expect(decoder.directTarget()).toBeUndefined();
    if (direct) {
      // The socket was already reading into the old place.
      outstanding!.set(bulk("45"));
      decoder.directReceived(2);
    } else {
      decoder.feed(bulk("45"));
    }
    decoder.feed(bulk("6789\r\n$8\r\n01234567\r\n"));
    expect(given[0]!.toString()).toBe(direct ? "012345\0\0\0\0" : "0123\0\0\0\0\0\0");
    expect(replies).toEqual([new RespPush(["mf", 1, bulk("")]), bulk("01234567")]);
    expect(decoder.abandonBody(given[1]!)).toBe(false);
  });
});

describe("abort", () => {
  test("ends the decoder, in a callback too", () => {
    const replies: RespValue[] = [];
    const decoder: ReplyDecoder = new ReplyDecoder({
      onReply(value) {
        replies.push(value);
        decoder.abort();
      },
      bodyTarget: () => undefined,
    });
    decoder.feed(bulk("+OK\r\n*2\r\n:1\r\n"));
    expect(replies).toEqual(["OK"]);
    expect(decoder.midReply).toBe(false);
    expect(() => decoder.feed(bulk("+OK\r\n"))).toThrow(RangeError);
  });

  test("in bodyTarget it ends the feed", () => {
    for (const answer of [undefined, new Uint8Array(10)]) {
      const replies: RespValue[] = [];
      const decoder: ReplyDecoder = new ReplyDecoder(
        {
          onReply: (value) => replies.push(value),
          bodyTarget() {
            decoder.abort();
            return answer;
          },
        },
        { directBodyMin: 8 },
      );
      decoder.feed(bulk("$10\r\n0123456789\r\n+OK\r\n"));
      expect(replies).toEqual([]);
      expect(decoder.midReply).toBe(false);
      expect(answer ?? new Uint8Array(10)).toEqual(new Uint8Array(10));
    }
  });

  test("takes the target away", () => {
    const { decoder, given } = recorder();
    decoder.feed(bulk("*2\r\n$10\r\n01"));
    decoder.abort();
    expect(decoder.directTarget()).toBeUndefined();
    expect(decoder.midReply).toBe(false);
    expect(given[0]!.toString()).toBe("01\0\0\0\0\0\0\0\0");
  });
});

describe("limits and faults", () => {
  const tight = {
    arrayLengthMax: 4,
    bulkBytesMax: 20,
    depthMax: 2,
    inlineBytesMax: 8,
    totalBytesMax: 1000,
  };
  const faults: [string, string][] = [
    ["x", "no type begins with 'x'"],
    ["\r\n", "no type begins with byte 13"],
    [";4\r\n", "no type begins with ';'"],
    ["$?\r\n", "invalid number after '$'"],
    ["*?\r\n", "invalid number after '*'"],
    ["$-2\r\n", "invalid bulk length -2"],
    ["$+5\r\n", "invalid number after '$'"],
    ["$05\r\n", "invalid number after '$'"],
    ["$21\r\n", "invalid bulk length 21 (limit 20)"],
    ["$1000000000000\r\n", "invalid bulk length"],
    ["!-1\r\n", "invalid bulk length -1"],
    ["=-1\r\n", "invalid bulk length -1"],
    ["=3\r\ntxt\r\n", "verbatim string without a format"],
    ["=5\r\ntextx\r\n", "verbatim string without a format"],
    ["$1\r\nab\r\n", "expected CR LF"],
    ["$1\r\na\rx", "expected CR LF"],
    [":\r", "invalid number after ':'"],
    [":-0\r", "invalid number after ':'"],
    [":00", "invalid number after ':'"],
    [":1.5", "invalid number after ':'"],
    [":1\n", "invalid number after ':'"],
    [":9223372036854775808\r\n", "integer beyond 64 bits"],
    [":-9223372036854775809\r\n", "integer beyond 64 bits"],
    [":12345678901234567890", "invalid number after ':'"],
    ["*5\r\n", "invalid length 5 after '*' (limit 4 values)"],
    ["*1000000000\r\n", "invalid length 1000000000 after '*'"],
    ["*9999999999999999999\r\n", "invalid length"],
    ["*-2\r\n", "invalid length -2"],
    ["%3\r\n", "invalid length 3 after '%'"],
    ["%-1\r\n", "invalid length -1"],
    ["~-1\r\n", "invalid length -1"],
    [">-1\r\n", "invalid length -1"],
    ["|3\r\n", "invalid length 3"],
    ["*1\r\n*1\r\n*1\r\n", "nested deeper than 2"],
    ["*1\r\n*1\r\n*0\r\n", "nested deeper than 2"],
    ["|1\r\n|1\r\n|1\r\n", "nested deeper than 2"],
    ["*1\r\n>1\r\n", "push inside"],
    ["|1\r\n>1\r\n", "push inside"],
    ["+123456789\r\n", "line over 8 bytes"],
    ["-123456789", "line over 8 bytes"],
    ["(123456789", "line over 8 bytes"],
    ["+a\n", "line ends with LF alone"],
    ["+\n", "line ends with LF alone"],
    [",\r\n", "invalid double"],
    [",1,5\r\n", "invalid double"],
    [",0x10\r\n", "invalid double"],
    [",.5\r\n", "invalid double"],
    ["(\r\n", "invalid big number"],
    ["(1.0\r\n", "invalid big number"],
    ["#x\r\n", "invalid boolean"],
    ["#\r\n", "invalid boolean"],
    ["_x\r\n", "null with content"],
    [`*4\r\n${"$20\r\n12345678901234567890\r\n".repeat(4)}`, "reply holds more than 1000 bytes"],
    [`*4\r\n${"*4\r\n_\r\n_\r\n_\r\n_\r\n".repeat(3)}`, "reply holds more than"],
    [`*4\r\n${"%0\r\n".repeat(2)}*4\r\n${"*0\r\n".repeat(4)}`, "nested deeper"],
    ["|0\r\n".repeat(7), "reply holds more than"],
  ];

  test.each(faults)("%j is refused", (wire, message) => {
    const whole = recorder(tight, () => false);
    expect(() => whole.decoder.feed(bulk(`+OK\r\n${wire}`))).toThrow(
      expect.objectContaining({ code: "PROTOCOL", message: expect.stringContaining(`Protocol error: `) }),
    );
    expect(whole.replies[0]).toBe("OK");
    expect(() => whole.decoder.feed(bulk("+OK\r\n"))).toThrow(RangeError);

    const once = recorder(tight, () => false).play(bulk(wire));
    expect(once.at(-1)).toContain(message);
    for (const reads of systematicReads(wire.length, 3)) {
      expect(recorder(tight, () => false).play(bulk(wire), reads)).toStrictEqual(once);
    }
  });

  test("limits are reached, not only passed, and begin anew with each reply", () => {
    const { replies, play, calls } = recorder(tight, () => false);
    const wire = "*2\r\n*1\r\n_\r\n$20\r\n12345678901234567890\r\n+1234567\r\n%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n";
    play(bulk(wire.repeat(3)));
    expect(calls.at(-1)).toEqual({ value: new RespMap([1, 2, 3, 4]) });
    expect(replies).toHaveLength(9);
  });

  test("targets of the handler do not count as held", () => {
    const wire = bulk(`*4\r\n${"$20\r\n12345678901234567890\r\n".repeat(4)}`);
    const targets = recorder(tight, () => true);
    targets.play(wire);
    expect(targets.replies).toHaveLength(1);
    expect(
      recorder(tight, () => false)
        .play(wire)
        .at(-1),
    ).toContain("holds more than");
  });

  test("a long array is not built before its elements arrive", () => {
    const lengths: number[] = [];
    const decoder = new ReplyDecoder({
      onReply() {},
      bodyTarget(_, stack) {
        lengths.push(...stack.map((items) => items.length));
        return undefined;
      },
    });
    decoder.feed(bulk("*1048576\r\n*1048576\r\n$5000\r\n"));
    expect(lengths).toEqual([0, 0]);
  });
});
