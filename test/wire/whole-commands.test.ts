/** A command that lies whole in a chunk is delivered in one step: nobody can tell it from one fed byte by byte. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommandDecoder } from "../../src/wire/command-decoder.ts";
import { commandLimits, type RespLimits, unauthenticatedCommandLimits } from "../../src/wire/resp-limits.ts";
import { RespWriter } from "../../src/wire/resp-writer.ts";
import { playStream } from "./play-stream.ts";

interface Outcome {
  readonly commands: readonly (readonly string[])[];
  /** Lengths that a target was asked for. */
  readonly asked: readonly number[];
  readonly error: string | undefined;
}

/** What comes of a stream that is fed in chunks of the given lengths, and then in one of the rest. */
function fed(stream: Uint8Array, chunks: readonly number[], limits: RespLimits = commandLimits): Outcome {
  const commands: string[][] = [];
  const asked: number[] = [];
  const decoder = new CommandDecoder(
    {
      onCommand: (args) => commands.push(args.map((arg) => arg.toString("latin1"))),
      bodyTarget(_args, _argIndex, _argCount, payloadBytes) {
        asked.push(payloadBytes);
        return undefined;
      },
      onAbortedBody: () => undefined,
    },
    { limits },
  );
  try {
    playStream(
      decoder,
      stream,
      chunks.map((bytes) => ({ bytes, direct: false })),
    );
  } catch (thrown) {
    return { commands, asked, error: String(thrown) };
  }
  return { commands, asked, error: undefined };
}

const byBytes = (stream: Uint8Array, limits?: RespLimits): Outcome =>
  fed(stream, Array(stream.length).fill(1), limits);

function encode(commands: readonly (readonly Uint8Array[])[]): Buffer {
  const writer = new RespWriter();
  for (const command of commands) writer.command(command);
  return Buffer.concat(writer.take());
}

const texts = (commands: readonly (readonly Uint8Array[])[]): string[][] =>
  commands.map((args) => args.map((arg) => Buffer.from(arg).toString("latin1")));

/** Bytes that are mostly those of the protocol itself. */
const argument = (length: fc.Arbitrary<number>): fc.Arbitrary<Buffer> =>
  fc.tuple(length, fc.nat(255)).map(([bytes, seed]) => {
    const pattern = "*1\r\n$01\r\n\0";
    return Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => pattern.charCodeAt((i * 7 + seed) % 11)));
  });

const around = (...lengths: readonly number[]): fc.Arbitrary<number> =>
  fc.constantFrom(...lengths.flatMap((length) => [length - 1, length, length + 1]).filter((n) => n >= 0));

const commandsOf = (length: fc.Arbitrary<number>, commandsMax = 4): fc.Arbitrary<Buffer[][]> =>
  fc.array(fc.array(argument(length), { minLength: 1, maxLength: 12 }), {
    ...{ minLength: 1, maxLength: commandsMax },
  });

describe("what is well-formed", () => {
  test.each([
    ["short", around(0, 9), 4, 300],
    ["medium", around(0, 9, 99, 999), 3, 80],
    ["large", around(0, 9, 99, 4095, 4096), 2, 20],
  ] as const)("%s arguments, 1 to 12 of them", (_what, length, commandsMax, numRuns) => {
    fc.assert(
      fc.property(commandsOf(length, commandsMax), (commands) => {
        const stream = encode(commands);
        const large = commands.flat().map((arg) => arg.length);
        const asked = large.filter((bytes) => bytes >= 4096);
        const expected = { commands: texts(commands), asked, error: undefined };
        expect(fed(stream, [])).toEqual(expected);
        expect(byBytes(stream)).toEqual(expected);
      }),
      { numRuns },
    );
  });

  test("wherever one cut falls", () => {
    const sizes = [[4], [3, 0, 9], [10, 99], Array(9).fill(1), Array(10).fill(1)] as const;
    const commands = sizes.map((lengths) => lengths.map((length: number) => Buffer.alloc(length, "$")));
    const stream = encode(commands);
    for (let cut = 1; cut < stream.length; cut++) {
      expect(fed(stream, [cut])).toEqual({ commands: texts(commands), asked: [], error: undefined });
    }
  });

  test("counts of 0 and below are no commands", () => {
    const stream = Buffer.from("*0\r\n*1\r\n$1\r\na\r\n*-1\r\n*-9\r\n*1\r\n$1\r\nb\r\n*0\r\n");
    const expected = { commands: [["a"], ["b"]], asked: [], error: undefined };
    expect([fed(stream, []), byBytes(stream)]).toEqual([expected, expected]);
  });
});

describe("what is malformed", () => {
  const good = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";

  test.each([
    ["*1\r\n$01\r\na\r\n", "invalid bulk length"],
    ["*1\r\n$00\r\n\r\n", "invalid bulk length"],
    ["*2\r\n$1\r\na\r\n$0001\r\na\r\n", "invalid bulk length"],
    ["*01\r\n$1\r\na\r\n", "invalid multibulk length"],
    ["*+1\r\n$1\r\na\r\n", "invalid multibulk length"],
    ["*1\r\n$-1\r\n", "invalid bulk length -1"],
    ["*1\r\n$-0\r\n\r\n", "invalid bulk length"],
    ["*1\r\n$+1\r\na\r\n", "invalid bulk length"],
    ["*1\r\n$:\r\n0123456789\r\n", "invalid bulk length"],
    ["*1\r\n$1:\r\n01234567890123456789\r\n", "invalid bulk length"],
    [`*:\r\n${"$1\r\na\r\n".repeat(10)}`, "invalid multibulk length"],
    ["*1\r\n$/\r\n\r\n", "invalid bulk length"],
    ["*1\r\n$\r\n\r\n\r\n", "invalid bulk length"],
    ["*1\r\n$1 \r\na\r\n", "invalid bulk length"],
    ["*1\r\n$1x\r\na\r\n", "invalid bulk length"],
    ["*1\r\n$1x\na\r\n", "invalid bulk length"],
    ["*1\r\n:1\r\na\r\n", "expected '$', got ':'"],
    ["*1\n$1\r\na\r\n", "invalid multibulk length"],
    ["*1\r $1\r\na\r\n", "invalid multibulk length"],
    ["*1\n\n$1\r\na\r\n", "invalid multibulk length"],
    ["*:\r\n$1\r\na\r\n", "invalid multibulk length"],
    ["*1\r\n$1\na\r\n\r\n", "invalid bulk length"],
    ["*1\r\n$1\r.a\r\n", "invalid bulk length"],
    ["*1\r\n$1\r\na\n\n", "expected CR LF after a bulk"],
    ["*1\r\n$1\r\na\r.", "expected CR LF after a bulk"],
    ["*1\r\n$1\r\nab\r\n", "expected CR LF after a bulk"],
    ["*1\r\n$2\r\na\r\n*1\r\n", "expected CR LF after a bulk"],
    ["*1\r\n$0\r\na\r\n", "expected CR LF after a bulk"],
    ["*2\r\n$1\r\na\r\n:1\r\n", "expected '$', got ':'"],
    ["*2\r\n$1\r\na\r\n*1\r\n", "expected '$', got '*'"],
    ["*9\r\nx", "expected '$', got 'x'"],
  ])("%j is the same error at either feeding", (bad, message) => {
    const stream = Buffer.from(good + bad + good);
    const whole = fed(stream, []);
    expect(whole.commands).toEqual([["GET", "k"]]);
    expect(whole.error).toContain(`Protocol error: ${message}`);
    expect(byBytes(stream)).toEqual(whole);
    for (let cut = 1; cut < stream.length; cut++) expect(fed(stream, [cut])).toEqual(whole);
  });

  test("by any byte that is another one, or missing", () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.option(fc.constantFrom(..."\r\n*$-+:019 x\0")) });
    fc.assert(
      fc.property(commandsOf(around(0, 9, 99)), damage, (commands, { at, byte }) => {
        const stream = encode(commands);
        const place = at % stream.length;
        const [head, tail] = [stream.subarray(0, place), stream.subarray(place + 1)];
        const damaged = Buffer.concat([head, Buffer.from(byte ?? ""), tail]);
        expect(fed(damaged, [])).toEqual(byBytes(damaged));
      }),
      { numRuns: 500 },
    );
  });
});

describe("limits", () => {
  const ten = (bytes: string): string => bytes.repeat(10);
  const bulk = (length: number): string => `$${length}\r\n${"x".repeat(length)}\r\n`;

  test.each([
    ["ten arguments", `*10\r\n${ten("$1\r\na\r\n")}`, undefined],
    ["eleven arguments", `*11\r\n${ten("$1\r\na\r\n")}$1\r\na\r\n`, "invalid multibulk length 11 (limit 10)"],
    ["16 KiB", `*2\r\n$4\r\nECHO\r\n${bulk(16_384)}`, undefined],
    ["a byte more", `*2\r\n$4\r\nECHO\r\n${bulk(16_385)}`, "invalid bulk length 16385 (limit 16384)"],
    ["64 KiB in all", `*4\r\n${bulk(16_384).repeat(4)}`, undefined],
    ["a byte more in all", `*5\r\n${bulk(16_384).repeat(4)}${bulk(1)}`, "holds more than 65536 bytes"],
  ])("of strangers: %s", (_what, text, error) => {
    const stream = Buffer.from(text);
    const whole = fed(stream, [], unauthenticatedCommandLimits);
    expect(whole.commands).toHaveLength(error === undefined ? 1 : 0);
    if (error === undefined) expect(whole.error).toBeUndefined();
    else expect(whole.error).toContain(error);
    expect(byBytes(stream, unauthenticatedCommandLimits)).toEqual(whole);
  });

  test("that small arguments reach hold at either feeding, and exactly", () => {
    const limitsOf = fc.record({
      arrayLengthMax: fc.integer({ min: 1, max: 10 }),
      bulkBytesMax: fc.integer({ min: 1, max: 25 }),
      totalBytesMax: fc.integer({ min: 1, max: 60 }),
    });
    const sent = commandsOf(fc.oneof(fc.nat(4), fc.nat(9), fc.nat(30)));
    fc.assert(
      fc.property(limitsOf, sent, (tight, commands) => {
        const limits = { ...commandLimits, ...tight };
        const refused = commands.findIndex((args) => {
          const lengths = args.map((arg) => arg.length);
          const bytes = lengths.reduce((sum, length) => sum + length, 0);
          if (args.length > tight.arrayLengthMax || bytes > tight.totalBytesMax) return true;
          return Math.max(...lengths) > tight.bulkBytesMax;
        });
        const through = refused < 0 ? commands : commands.slice(0, refused);
        const stream = encode(commands);
        const whole = fed(stream, [], limits);
        expect(whole.commands).toEqual(texts(through));
        expect(whole.error === undefined).toBe(refused < 0);
        expect(byBytes(stream, limits)).toEqual(whole);
      }),
      { numRuns: 1000 },
    );
  });
});
