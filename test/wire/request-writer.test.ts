/** What goes out is what a node decodes. The layout of chunks is tested through the subclass: resp-writer.test.ts. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { CommandDecoder } from "../../src/wire/command-decoder.ts";
import {
  type CommandArgument,
  RequestWriter,
  referenceBytesMinDefault,
} from "../../src/wire/request-writer.ts";
import { WriteBufferPool } from "../../src/wire/write-buffer-pool.ts";
import { arbitraryReads, playStream, type Read } from "./play-stream.ts";

function received(stream: Uint8Array, reads: readonly Read[] = []): Buffer[][] {
  const commands: Buffer[][] = [];
  const decoder = new CommandDecoder({
    onCommand: (args) => commands.push(args.map((arg) => Buffer.from(arg))),
    bodyTarget: (_args, _index, _count, payloadBytes) => ({ bytes: Buffer.alloc(payloadBytes) }),
    onAbortedBody: () => undefined,
  });
  playStream(decoder, stream, reads);
  expect(decoder.midCommand).toBe(false);
  return commands;
}

function bytesOf(arg: CommandArgument): Buffer {
  if (typeof arg === "number") return Buffer.from(String(arg));
  if (typeof arg === "string") return Buffer.from(arg);
  return arg instanceof Uint8Array ? Buffer.from(arg) : Buffer.concat(arg);
}

function called(name: string, tag: number, args: readonly CommandArgument[]): Buffer[][] {
  const writer = new RequestWriter();
  writer.call(name, tag, args);
  return received(Buffer.concat(writer.take()));
}

test("commands and calls arrive as they were given, however large and however cut", () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  const plain = fc.oneof(fc.string({ unit: "grapheme", maxLength: 60 }), bytes, fc.maxSafeInteger());
  const argument: fc.Arbitrary<CommandArgument> = fc.oneof(plain, fc.array(bytes, { maxLength: 4 }));
  const command = fc.record({
    name: fc.stringMatching(/^[A-Z.]{1,40}$/),
    tag: fc.option(fc.integer({ min: 0, max: 2 ** 31 }), { nil: undefined }),
    plain: fc.array(plain, { maxLength: 5 }),
    args: fc.array(argument, { maxLength: 12 }),
  });
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 4 }), arbitraryReads(50), (sent, reads) => {
      const writer = new RequestWriter({ referenceBytesMin: 20, pool: new WriteBufferPool(64) });
      for (const each of sent) {
        if (each.tag === undefined) writer.command([each.name, ...each.plain]);
        else writer.call(each.name, each.tag, each.args);
      }
      const { pendingBytes } = writer;
      const stream = Buffer.concat(writer.take());
      expect(stream.length).toBe(pendingBytes);
      expect(writer.pendingBytes).toBe(0);
      const wanted = sent.map(({ name, tag, plain: rest, args }) =>
        (tag === undefined ? [name, ...rest] : [name, tag, ...args]).map(bytesOf),
      );
      expect(received(stream, reads)).toEqual(wanted);
    }),
  );
});

test("a call is its name, its tag and its arguments, all as bulk strings", () => {
  const writer = new RequestWriter();
  writer.call("MF.X", 12, ["ü", 0, Buffer.from("b"), [Buffer.from("c"), Buffer.from("d")]]);
  const text = "*6\r\n$4\r\nMF.X\r\n$2\r\n12\r\n$2\r\nü\r\n$1\r\n0\r\n$1\r\nb\r\n$2\r\ncd\r\n";
  expect(Buffer.concat(writer.take()).toString()).toBe(text);
});

test("pieces are one argument, whatever each of them is", () => {
  const large = Buffer.alloc(referenceBytesMinDefault, "x");
  const small = Buffer.from("small");
  for (const pieces of [[], [small], [Buffer.alloc(0), small], [large, small, large], [small, large]]) {
    expect(called("MF.X", 1, [pieces, "next"])).toEqual([
      [Buffer.from("MF.X"), Buffer.from("1"), Buffer.concat(pieces), Buffer.from("next")],
    ]);
  }
});

test("arguments from 16 KiB on are sent from where they are, alone or as a piece", () => {
  const large = Buffer.alloc(referenceBytesMinDefault, "x");
  const other = Buffer.alloc(referenceBytesMinDefault + 1, "y");
  const copied = Buffer.alloc(referenceBytesMinDefault - 1, "z");
  const writer = new RequestWriter();
  writer.call("MF.X", 1, [large, [Buffer.from("head"), other, copied], "tail"]);
  const chunks = writer.take();
  expect(chunks.filter((chunk) => chunk === large || chunk === other)).toEqual([large, other]);
  expect(chunks.some(({ buffer }) => buffer === copied.buffer)).toBe(false);
  // What was copied no longer depends on its source; what is referenced does.
  copied.fill("!");
  large.fill("?");
  const [args] = received(Buffer.concat(chunks));
  expect(args![2]!.equals(large)).toBe(true);
  expect(args![3]!.toString("latin1", 4 + other.length)).toBe("z".repeat(copied.length));
});
