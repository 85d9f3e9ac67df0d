import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BodyTarget, type CommandBody, CommandDecoder } from "../../src/wire/command-decoder.ts";
import { commandLimits, unauthenticatedCommandLimits } from "../../src/wire/resp-limits.ts";
import { RespWriter } from "../../src/wire/resp-writer.ts";
import { arbitraryReads, playStream, type Read, systematicReads } from "./play-stream.ts";

type Decision = "target" | "hold" | "discard";

/** Writes down every call; the decision about a body depends on its length alone, so that all runs agree. */
function recorder(decide: (length: number) => Decision, limits = commandLimits, directBodyMin = 8) {
  const calls: unknown[] = [];
  const aborted: BodyTarget[] = [];
  const given: BodyTarget[] = [];
  const seen: { args: readonly Buffer[]; bodies: readonly CommandBody[] }[] = [];
  const decoder = new CommandDecoder(
    {
      onCommand(args, bodies) {
        seen.push({ args, bodies });
        calls.push({
          args: args.map((arg) => arg.toString("latin1")),
          bodies: bodies.map((b) => [b.argIndex, b.payloadBytes, b.target?.token]),
        });
      },
      bodyTarget(args, argIndex, argCount, payloadBytes) {
        calls.push({ before: args.map((arg) => arg.toString("latin1")), argIndex, argCount, payloadBytes });
        const decision = decide(payloadBytes);
        if (decision === "hold") return undefined;
        if (decision === "discard") return "discard";
        const target = { bytes: new Uint8Array(payloadBytes), token: `t${argIndex}` };
        given.push(target);
        return target;
      },
      onAbortedBody: (target) => aborted.push(target),
    },
    { limits, directBodyMin, directBytesMin: 2 },
  );
  const play = (stream: Uint8Array, reads: readonly Read[]) => {
    try {
      playStream(decoder, stream, reads);
    } catch (error) {
      calls.push(String(error));
    }
    return calls;
  };
  return { decoder, calls, aborted, given, seen, play };
}

const byLength = (length: number): Decision => (["target", "hold", "discard"] as const)[length % 3]!;

function encode(commands: readonly (readonly (string | Uint8Array)[])[]): Buffer {
  const writer = new RespWriter();
  for (const command of commands) writer.command(command);
  return Buffer.concat(writer.take());
}

const argsOf = (calls: readonly unknown[]): unknown[] =>
  calls.flatMap((call) => (call !== null && typeof call === "object" && "args" in call ? [call.args] : []));

const bytesOf = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7));

describe("cut points", () => {
  const corpus = Buffer.concat([
    encode([["PING"], ["SET", "k", "v"], ["SET", "key", ""], [""], ["a", "\r\n", "*1\r\n$4\r\nPING\r\n"]]),
    Buffer.from("*0\r\n*-1\r\nPING\r\n\r\n  \nSET 'a b' \"\\x41\\n\"\n"),
    encode([
      ["MF.PUT", "key", bytesOf(9), "tail"],
      ["MF.PUT", "key", bytesOf(10), "tail"],
      ["MF.PUT", "key", bytesOf(11), "tail"],
      ["MSET", "a", bytesOf(12), "b", bytesOf(13), "c", bytesOf(14), bytesOf(15)],
      ["GET", "k"],
    ]),
  ]);

  test("what is decoded is what was sent", () => {
    const whole = recorder(byLength).play(corpus, []);
    const text = (length: number): string => bytesOf(length).toString("latin1");
    expect(argsOf(whole)).toEqual([
      ["PING"],
      ["SET", "k", "v"],
      ["SET", "key", ""],
      [""],
      ["a", "\r\n", ""],
      ["PING"],
      ["SET", "a b", "A\n"],
      ["MF.PUT", "key", text(9), "tail"],
      ["MF.PUT", "key", text(10), "tail"],
      ["MF.PUT", "key", "", "tail"],
      ["MSET", "a", text(12), "b", text(13), "c", "", text(15)],
      ["GET", "k"],
    ]);
    expect(whole).toContainEqual({
      before: ["MSET", "a", text(12), "b"],
      argIndex: 4,
      argCount: 8,
      payloadBytes: 13,
    });
  });

  test("every cut and every read size gives the same calls, fed or direct", () => {
    const whole = recorder(byLength).play(corpus, []);
    for (const reads of systematicReads(corpus.length, 40)) {
      expect(recorder(byLength).play(corpus, reads)).toEqual(whole);
    }
  });

  test("random commands, random reads, feed and direct mixed", () => {
    const command = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 6 });
    const commands = fc.array(command, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        commands,
        arbitraryReads(60),
        fc.constantFrom<Decision>("target", "hold"),
        (sent, reads, how) => {
          const calls = recorder(() => how).play(encode(sent), reads);
          expect(argsOf(calls)).toEqual(
            sent.map((args) => args.map((a) => Buffer.from(a).toString("latin1"))),
          );
        },
      ),
      { numRuns: 400 },
    );
  });

  test("any bytes at all, faults included, give the same calls however they are cut", () => {
    const piece = fc.constantFrom(
      ..."*1\r\n|*2\r\n|$1\r\na\r\n|$10\r\n|0123456789\r\n|\r\n|*|$|-1|0|:1\r\n|x|\n|\r|'|\"|PING|$12\r\n".split(
        "|",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), arbitraryReads(12), (pieces, reads) => {
        const stream = Buffer.from(pieces.join(""));
        expect(recorder(byLength).play(stream, reads)).toEqual(recorder(byLength).play(stream, []));
      }),
      { numRuns: 1000 },
    );
  });

  test("default thresholds: shards of half a MiB through 64 KiB reads", () => {
    const shards = [bytesOf(512 * 1024), bytesOf(4095), bytesOf(4096), bytesOf(70_000)];
    const stream = encode(shards.map((shard, i) => ["MF.SHARD", String(i), shard, "end"]));
    for (const direct of [false, true]) {
      for (const bytes of [65_536, 4097, 1000]) {
        const reads = Array.from({ length: 2000 }, () => ({ bytes, direct }));
        const { play, given, seen } = recorder(() => "target", commandLimits, 4096);
        play(stream, reads);
        expect(seen.map(({ bodies }) => bodies.length)).toEqual([1, 0, 1, 1]);
        expect(
          given.map(({ bytes }) => Buffer.compare(bytes, shards.find((s) => s.length === bytes.length)!)),
        ).toEqual([0, 0, 0]);
      }
    }
  });
});

describe("memory", () => {
  test("arguments that lie in the chunk are views of it", () => {
    const { decoder, seen } = recorder(byLength);
    const chunk = encode([["SET", "key", "value"]]);
    decoder.feed(chunk);
    expect(seen[0]!.args.every((arg) => arg.buffer === chunk.buffer)).toBe(true);
  });

  test("a held body that lies in the chunk is a view of it too", () => {
    const { decoder, seen } = recorder(() => "hold");
    const chunk = encode([["SET", "key", bytesOf(5000)]]);
    decoder.feed(chunk);
    expect(seen[0]!.args[2]!.buffer).toBe(chunk.buffer);
  });

  test("a body lands in the target that was given, also when that is a plain Uint8Array in larger memory", () => {
    const memory = new Uint8Array(100);
    const target = { bytes: memory.subarray(30, 50), token: 7 };
    let delivered: { arg: Buffer; bodies: readonly CommandBody[] } | undefined;
    const decoder = new CommandDecoder(
      {
        onCommand: (args, bodies) => {
          delivered = { arg: args[2]!, bodies };
        },
        bodyTarget: () => target,
        onAbortedBody: () => {},
      },
      { directBodyMin: 20, directBytesMin: 20 },
    );
    const stream = encode([["SET", "key", bytesOf(20)]]);
    decoder.feed(stream.subarray(0, stream.length - 22));
    expect(decoder.directTarget()).toEqual(memory.subarray(30, 50));
    expect(decoder.directTarget()!.buffer).toBe(memory.buffer);
    decoder.feed(stream.subarray(stream.length - 22));
    expect(delivered!.bodies[0]!.target).toBe(target);
    expect(delivered!.arg.buffer).toBe(memory.buffer);
    expect(delivered!.arg.byteOffset).toBe(30);
    expect(Buffer.compare(memory.subarray(30, 50), bytesOf(20))).toBe(0);
    expect(memory.subarray(0, 30).every((b) => b === 0) && memory.subarray(50).every((b) => b === 0)).toBe(
      true,
    );
  });

  test("a target may lie in the memory that chunks lie in, as one pool serves both", () => {
    const memory = Buffer.alloc(200);
    const target = { bytes: memory.subarray(100, 110) };
    const got: Buffer[] = [];
    const decoder = new CommandDecoder(
      { onCommand: (args) => got.push(args[0]!), bodyTarget: () => target, onAbortedBody: () => {} },
      { directBodyMin: 8 },
    );
    const stream = encode([[bytesOf(10), "tail"]]);
    for (const part of [stream.subarray(0, 25), stream.subarray(25)]) {
      decoder.feed(memory.subarray(20, 20 + part.copy(memory, 20)));
    }
    expect([got[0]!.buffer === memory.buffer, got[0]!.byteOffset]).toEqual([true, target.bytes.byteOffset]);
    expect(got[0]!.equals(bytesOf(10))).toBe(true);
  });

  test("cut commands use the same little memory one after another", () => {
    const memory = new Set<ArrayBufferLike>();
    const decoder = new CommandDecoder({
      onCommand: (args) => memory.add(args[1]!.buffer),
      bodyTarget: () => undefined,
      onAbortedBody: () => {},
    });
    for (let i = 0; i < 100; i++) {
      const stream = encode([["GET", "x".repeat(1000 + i)]]);
      decoder.feed(stream.subarray(0, 500));
      decoder.feed(stream.subarray(500));
    }
    expect([...memory].map((block) => block.byteLength)).toEqual([4096]);
  });

  test("direct targets end where fewer bytes than directBytesMin are missing", () => {
    const { decoder } = recorder(() => "target");
    expect(decoder.directTarget()).toBeUndefined();
    decoder.feed(Buffer.from("*1\r\n$10\r\n"));
    expect(decoder.directTarget()!.length).toBe(10);
    decoder.directReceived(8);
    expect(decoder.directTarget()!.length).toBe(2);
    decoder.directReceived(1);
    expect(decoder.directTarget()).toBeUndefined();
    expect(() => decoder.directReceived(2)).toThrow(RangeError);
  });

  test("a target of another length is a programmer's mistake", () => {
    const decoder = new CommandDecoder(
      { onCommand: () => {}, bodyTarget: () => ({ bytes: new Uint8Array(9) }), onAbortedBody: () => {} },
      { directBodyMin: 8 },
    );
    expect(() => decoder.feed(Buffer.from("*1\r\n$10\r\n"))).toThrow(RangeError);
  });

  test("discarded bodies keep the stream in step", () => {
    const { play, seen } = recorder(() => "discard");
    const calls = play(encode([["SET", "k", bytesOf(1000), "PX"], ["PING"]]), [{ bytes: 300, direct: true }]);
    expect(argsOf(calls)).toEqual([["SET", "k", "", "PX"], ["PING"]]);
    expect(seen[0]!.bodies).toEqual([{ argIndex: 2, payloadBytes: 1000, target: undefined }]);
    expect(seen[1]!.bodies).toEqual([]);
  });
});

describe("abort", () => {
  const stream = encode([["MSET", "a", bytesOf(9), "b", bytesOf(12)]]);

  test("reports every target of the unfinished command, at every cut, and none of a finished one", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const { decoder, aborted, given, seen } = recorder(() => "target");
      decoder.feed(stream.subarray(0, cut));
      decoder.abort();
      decoder.abort();
      expect(aborted).toEqual(seen.length === 0 ? given : []);
      expect(decoder.midCommand).toBe(false);
      expect(decoder.directTarget()).toBeUndefined();
      expect(() => decoder.feed(stream)).toThrow(RangeError);
    }
  });

  test("after a protocol error too", () => {
    const { decoder, aborted, given } = recorder(() => "target");
    expect(() => decoder.feed(Buffer.from("*2\r\n$10\r\n0123456789\r\n:"))).toThrow("expected '$', got ':'");
    decoder.abort();
    expect(given.length).toBe(1);
    expect(aborted).toEqual(given);
  });

  test("inside of a callback it ends the feed", () => {
    const names: string[] = [];
    const decoder: CommandDecoder = new CommandDecoder({
      onCommand(args) {
        names.push(args[0]!.toString());
        decoder.abort();
      },
      bodyTarget: () => undefined,
      onAbortedBody: () => {},
    });
    decoder.feed(encode([["QUIT"], ["PING"]]));
    expect(names).toEqual(["QUIT"]);
  });

  test.each([[{ bytes: new Uint8Array(10) }], ["discard" as const], [undefined]])(
    "inside of bodyTarget it gives back what that call returns: %o",
    (answer) => {
      const commands: unknown[] = [];
      const aborted: BodyTarget[] = [];
      const decoder: CommandDecoder = new CommandDecoder(
        {
          onCommand: (args) => commands.push(args),
          bodyTarget() {
            decoder.abort();
            return answer;
          },
          onAbortedBody: (target) => aborted.push(target),
        },
        { directBodyMin: 8 },
      );
      decoder.feed(encode([["SET", "k", bytesOf(10)], ["PING"]]));
      expect(commands).toEqual([]);
      expect(aborted).toEqual(typeof answer === "object" ? [{ bytes: new Uint8Array(10) }] : []);
      expect(() => decoder.feed(encode([["PING"]]))).toThrow(RangeError);
    },
  );

  test("midCommand is true exactly between the first and the last byte of a command", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const { decoder } = recorder(() => "hold");
      decoder.feed(stream.subarray(0, cut));
      expect(decoder.midCommand).toBe(cut > 0 && cut < stream.length);
    }
  });
});

describe("limits and faults", () => {
  const tight = {
    ...commandLimits,
    arrayLengthMax: 4,
    bulkBytesMax: 20,
    inlineBytesMax: 16,
    totalBytesMax: 30,
  };
  const faults: [string, string][] = [
    ["*5\r\n", "invalid multibulk length 5 (limit 4)"],
    ["*1000000000\r\n", "invalid multibulk length"],
    ["*9999999999999999999\r\n", "invalid multibulk length"],
    ["*99999999999999999999", "invalid multibulk length"],
    ["*x", "invalid multibulk length"],
    ["*\r", "invalid multibulk length"],
    ["*+1", "invalid multibulk length"],
    ["*01", "invalid multibulk length"],
    ["*-0\r", "invalid multibulk length"],
    ["*1\n", "invalid multibulk length"],
    ["*1\r1", "invalid multibulk length"],
    ["*--", "invalid multibulk length"],
    ["*1-", "invalid multibulk length"],
    ["*1\r\nx", "expected '$', got 'x'"],
    ["*1\r\n\0", "expected '$', got byte 0"],
    ["*1\r\n*1\r\n", "expected '$', got '*'"],
    ["*1\r\n$-1\r\n", "invalid bulk length -1"],
    ["*1\r\n$21\r\n", "invalid bulk length 21 (limit 20)"],
    ["*1\r\n$536870912\r\n", "invalid bulk length 536870912"],
    ["*1\r\n$ 1", "invalid bulk length"],
    ["*1\r\n$1\r\nabc", "expected CR LF"],
    ["*1\r\n$1\r\na\rb", "expected CR LF"],
    ["*1\r\n$1\r\na\n", "expected CR LF"],
    ["*4\r\n$7\r\n1234567\r\n$20\r\n12345678901234567890\r\n$7\r\n", "holds more than 30 bytes"],
    ['GET "a\n', "unbalanced quotes"],
    ["a b c d e\n", "5 inline arguments (limit 4)"],
    ["12345678901234567\n", "too big inline request (limit 16 bytes)"],
    ["12345678901234567", "too big inline request (limit 16 bytes)"],
  ];

  test.each(faults)("%j is refused", (stream, message) => {
    const refused = recorder(() => "hold", tight);
    expect(() => refused.decoder.feed(Buffer.from(`PING\n${stream}`))).toThrow(
      expect.objectContaining({ code: "PROTOCOL", message: expect.stringContaining(`Protocol error: `) }),
    );
    expect(argsOf(refused.calls)).toEqual([["PING"]]);
    expect(() => refused.decoder.feed(Buffer.from("PING\n"))).toThrow(RangeError);

    const whole = recorder(() => "hold", tight).play(Buffer.from(stream), []);
    expect(whole.at(-1)).toContain(message);
    for (const reads of systematicReads(stream.length, 3)) {
      expect(recorder(() => "hold", tight).play(Buffer.from(stream), reads)).toEqual(whole);
    }
  });

  test("limits are reached, not only passed", () => {
    const lines = [
      "*4\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n",
      "*1\r\n$20\r\n12345678901234567890\r\n",
      "*2\r\n$20\r\n12345678901234567890\r\n$10\r\n1234567890\r\n",
      "1234567890123456\n",
    ];
    const { play } = recorder(() => "hold", tight);
    expect(argsOf(play(Buffer.from(lines.join("")), []))).toHaveLength(4);
  });

  test("targets and discarded bodies do not count as held", () => {
    const stream = encode([["a", bytesOf(20), bytesOf(20), bytesOf(20)]]);
    for (const how of ["target", "discard"] as const) {
      expect(argsOf(recorder(() => how, tight).play(stream, []))).toHaveLength(1);
    }
    expect(argsOf(recorder(() => "hold", tight).play(stream, []))).toHaveLength(0);
  });

  test("a length beyond the limit is never offered, and nothing is reserved for a length alone", () => {
    const { decoder, calls } = recorder(() => "target", tight);
    expect(() => decoder.feed(Buffer.from("*1\r\n$21\r\n"))).toThrow("invalid bulk length");
    expect(calls).toEqual([]);
  });

  test("strangers get little, and a login lifts it in the middle of a chunk", () => {
    const login = encode([["AUTH", "x".repeat(1000)]]);
    const large = encode([["SET", "k", bytesOf(20_000)]]);
    const stranger = (lift: boolean) => {
      const names: string[] = [];
      const decoder: CommandDecoder = new CommandDecoder(
        {
          onCommand(args) {
            names.push(args[0]!.toString());
            if (lift) decoder.limits = commandLimits;
          },
          bodyTarget: () => undefined,
          onAbortedBody: () => {},
        },
        { limits: unauthenticatedCommandLimits },
      );
      return { names, feed: () => decoder.feed(Buffer.concat([login, large])) };
    };
    const lifted = stranger(true);
    lifted.feed();
    expect(lifted.names).toEqual(["AUTH", "SET"]);
    expect(stranger(false).feed).toThrow("invalid bulk length 20000 (limit 16384)");
  });
});
