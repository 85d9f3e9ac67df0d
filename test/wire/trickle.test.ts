/** Counts the work that a command costs that arrives in tiny pieces: a decoder that gathers and rescans shows. */
import { expect, test } from "vitest";
import { BodyReceiver } from "../../src/wire/body-receiver.ts";
import { CommandDecoder } from "../../src/wire/command-decoder.ts";
import { ReplyDecoder } from "../../src/wire/reply-decoder.ts";
import { RespWriter } from "../../src/wire/resp-writer.ts";

const MiB = 1024 * 1024;

type Restore = () => void;

/** Not vi.spyOn: it would remember millions of calls. */
function replace<T, K extends keyof T>(owner: T, name: K, by: (original: T[K]) => T[K]): Restore {
  const original = owner[name];
  owner[name] = by(original);
  return () => {
    owner[name] = original;
  };
}

/** Feeds `stream` in pieces and counts what the decoder copies and allocates. */
function trickle(decoder: { feed(chunk: Uint8Array): void }, stream: Buffer, pieceBytes: number) {
  const work = { copiedBytes: 0, allocatedBytes: 0 };
  const countAllocation =
    (allocate: (size: number) => Buffer<ArrayBuffer>) =>
    (size: number): Buffer<ArrayBuffer> => {
      work.allocatedBytes += size;
      return allocate(size);
    };
  const restores = [
    replace(Buffer.prototype, "copy", (copy) => {
      return function (this: Buffer, target: Uint8Array, targetStart?: number, start?: number, end?: number) {
        const count = copy.call(this, target, targetStart, start, end);
        work.copiedBytes += count;
        return count;
      };
    }),
    replace(BodyReceiver.prototype, "take", (take) => {
      return function (this: BodyReceiver, chunk: Buffer, at: number, end: number) {
        const to = take.call(this, chunk, at, end);
        work.copiedBytes += to - at;
        return to;
      };
    }),
    replace(Buffer, "allocUnsafe", countAllocation),
    replace(Buffer, "allocUnsafeSlow", countAllocation),
    replace(Buffer, "concat", () => () => {
      throw new Error("Buffer.concat in a decoder");
    }),
  ];
  try {
    for (let at = 0; at < stream.length; at += pieceBytes) decoder.feed(stream.subarray(at, at + pieceBytes));
  } finally {
    for (const restore of restores) restore();
  }
  return work;
}

const command = (args: readonly (string | Buffer)[]): Buffer => {
  const writer = new RespWriter();
  writer.command(args);
  return Buffer.concat(writer.take());
};

const streams: [string, Buffer][] = [
  ["one argument of 1 MiB", command(["SET", "k", Buffer.alloc(MiB, 1)])],
  ["arguments of 1 KiB", command(Array.from({ length: 1024 }, () => Buffer.alloc(1024, 2)))],
  ["65,536 arguments of 9 bytes", command(Array.from({ length: 65_536 }, () => "argument!"))],
  ["an inline command of 60 KiB", Buffer.from(`ECHO ${"x".repeat(60 * 1024)}\n`)],
];

test.each(streams)("command: %s, byte by byte and by seven", (_, stream) => {
  for (const pieceBytes of [1, 7]) {
    const argBytes: number[] = [];
    const decoder = new CommandDecoder({
      onCommand: (args) => argBytes.push(args.reduce((sum, arg) => sum + arg.length, 0)),
      bodyTarget: () => undefined,
      onAbortedBody: () => {},
    });
    const work = trickle(decoder, stream, pieceBytes);
    expect(argBytes).toHaveLength(1);
    expect(work.copiedBytes).toBeLessThan(3 * stream.length);
    expect(work.copiedBytes).toBeGreaterThanOrEqual(argBytes[0]! - 7);
    expect(work.allocatedBytes).toBeLessThan(4 * stream.length + 64 * 1024);
  }
});

test("reply: a line of 60 KiB and an array with 1 MiB, byte by byte", () => {
  let replies = 0;
  const stream = Buffer.concat([
    Buffer.from(`+${"x".repeat(60 * 1024)}\r\n*1025\r\n`),
    ...Array.from({ length: 1024 }, () => Buffer.from(`$1024\r\n${"y".repeat(1024)}\r\n`)),
    Buffer.from("_\r\n"),
  ]);
  const decoder = new ReplyDecoder({ onReply: () => replies++, bodyTarget: () => undefined });
  const work = trickle(decoder, stream, 1);
  expect(replies).toBe(2);
  expect(work.copiedBytes).toBeLessThan(3 * stream.length);
  expect(work.allocatedBytes).toBeLessThan(4 * stream.length);
});
