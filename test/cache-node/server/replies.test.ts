import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Call, CallConnection, WriteReply } from "../../../cache-node/server/call.ts";
import { type Emit, PlainReplies, TaggedReplies } from "../../../cache-node/server/replies.ts";
import { RespWriter } from "../../../src/wire/resp-writer.ts";

const connection = { id: 1 } as CallConnection;

/** What has been emitted, one text a reply. */
function output(): { readonly emitted: string[]; readonly emit: Emit } {
  const writer = new RespWriter({ protocol: 3 });
  const emitted: string[] = [];
  return {
    emitted,
    emit(write) {
      write(writer);
      emitted.push(Buffer.concat(writer.take()).toString());
    },
  };
}

const encoded = (write: WriteReply): Buffer => {
  const writer = new RespWriter();
  write(writer);
  return Buffer.concat(writer.take());
};

function plainReplies() {
  const { emitted, emit } = output();
  const replies = new PlainReplies(emit, encoded);
  const call = (): Call => replies.call([], [], connection);
  return { replies, emitted, call, calls: (count: number) => Array.from({ length: count }, call) };
}

const say = (call: Call, number: number): void => call.reply((writer) => writer.integer(number));
const said = (...numbers: readonly number[]): string[] => numbers.map((number) => `:${number}\r\n`);
const upTo = (count: number): number[] => [...Array(count).keys()];

describe("plain replies", () => {
  test("a call has what its command brought", () => {
    const [args, bodies] = [[Buffer.from("PING")], [{ argIndex: 1, payloadBytes: 9, target: undefined }]];
    const call = new PlainReplies(() => undefined, encoded).call(args, bodies, connection);
    expect([call.args, call.bodies, call.connection]).toEqual([args, bodies, connection]);
  });

  test("the first that is owed leaves at once", () => {
    const { emitted, call } = plainReplies();
    say(call(), 1);
    expect(emitted).toEqual(said(1));
    const [second, third] = [call(), call()];
    say(second, 2);
    expect(emitted).toEqual(said(1, 2));
    say(third, 3);
    expect(emitted).toEqual(said(1, 2, 3));
  });

  test("one that waits leaves as it was when it was given", () => {
    const { emitted, calls } = plainReplies();
    const [first, second] = calls(2) as [Call, Call];
    let value = 2;
    second.reply((writer) => writer.integer(value));
    value = 3;
    say(first, 1);
    expect(emitted).toEqual(said(1, 2));
  });

  test("later ones wait for those before them", () => {
    const { emitted, calls } = plainReplies();
    const [a, b, c, d] = calls(4) as [Call, Call, Call, Call];
    say(c, 3);
    say(b, 2);
    expect(emitted).toEqual([]);
    say(a, 1);
    expect(emitted).toEqual(said(1, 2, 3));
    say(d, 4);
    expect(emitted).toEqual(said(1, 2, 3, 4));
  });

  test("a second reply to a call is ignored, while it waits and when it has left", () => {
    const { emitted, calls, replies } = plainReplies();
    const [a, b, c] = calls(3) as [Call, Call, Call];
    say(b, 2);
    say(b, 22);
    say(a, 1);
    say(a, 11);
    say(b, 222);
    expect(emitted).toEqual(said(1, 2));
    expect(replies.count).toBe(1);
    say(c, 3);
    say(c, 33);
    expect(emitted).toEqual(said(1, 2, 3));
    expect(replies.count).toBe(0);
  });

  test("those that wait are still owed", () => {
    const { replies, calls } = plainReplies();
    const [a, b, c] = calls(3) as [Call, Call, Call];
    expect(replies.count).toBe(3);
    say(b, 2);
    expect(replies.count).toBe(3);
    say(a, 1);
    expect(replies.count).toBe(1);
    say(c, 3);
    expect(replies.count).toBe(0);
  });

  test("thousands that wait for one leave in order, and so do those behind them", () => {
    const { replies, emitted, call, calls } = plainReplies();
    for (const count of [1023, 1024, 1025, 5000]) {
      const all = calls(count);
      for (let number = count - 1; number > 0; number--) say(all[number]!, number);
      expect(emitted).toEqual([]);
      expect(replies.count).toBe(count);
      say(all[0]!, 0);
      expect(emitted.splice(0)).toEqual(said(...upTo(count)));
      expect(replies.count).toBe(0);
      say(call(), 7);
      expect(emitted.splice(0)).toEqual(said(7));
    }
  });

  test("a window of more than 1,024 that moves on keeps count and order", () => {
    const { replies, emitted, call, calls } = plainReplies();
    const window = calls(1500);
    for (const number of upTo(5000)) {
      say(window.shift()!, number);
      window.push(call());
      expect(replies.count).toBe(1500);
    }
    expect(emitted).toEqual(said(...upTo(5000)));
    for (const [at, left] of window.entries()) say(left, at);
    expect(emitted.slice(5000)).toEqual(said(...upTo(1500)));
    expect(replies.count).toBe(0);
  });

  test("in whatever order they are ready, they leave in the order of the calls", () => {
    const move = fc.oneof(
      fc.record({ calls: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 500, max: 1500 })) }),
      fc.record({ replies: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 2000 })), from: fc.nat(3) }),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 12 }), (moves) => {
        const { replies, emitted, call } = plainReplies();
        const open: { readonly number: number; readonly call: Call }[] = [];
        let made = 0;
        for (const step of moves) {
          if ("calls" in step) {
            for (let i = 0; i < step.calls; i++) open.push({ number: made++, call: call() });
          } else {
            for (const ready of open.splice(step.from, step.replies)) say(ready.call, ready.number);
          }
          const left = open[0]?.number ?? made;
          expect(emitted).toEqual(said(...upTo(left)));
          expect(replies.count).toBe(made - left);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("tagged replies", () => {
  function taggedReplies() {
    const { emitted, emit } = output();
    const replies = new TaggedReplies(emit);
    return { replies, emitted, call: (tag: number) => replies.call(tag, [], [], connection) };
  }

  const push = (tag: number, number: number): string => `>3\r\n+mf\r\n:${tag}\r\n:${number}\r\n`;

  test("a call has what its command brought", () => {
    const args = [Buffer.from("MF.MAP"), Buffer.from("5")];
    const bodies = [{ argIndex: 1, payloadBytes: 9, target: undefined }];
    const call = new TaggedReplies(() => undefined).call(5, args, bodies, connection);
    expect([call.args, call.bodies, call.connection]).toEqual([args, bodies, connection]);
  });

  test("leave as they are ready, with their tags", () => {
    const { emitted, call } = taggedReplies();
    const [a, b, c] = [call(1), call(2 ** 53 - 1), call(3)];
    say(b, 20);
    expect(emitted).toEqual([push(2 ** 53 - 1, 20)]);
    say(c, 30);
    say(a, 10);
    expect(emitted.slice(1)).toEqual([push(3, 30), push(1, 10)]);
  });

  test("once a call, and are counted until then", () => {
    const { replies, emitted, call } = taggedReplies();
    const [a, b] = [call(1), call(2)];
    expect(replies.count).toBe(2);
    say(b, 20);
    say(b, 21);
    expect(replies.count).toBe(1);
    say(a, 10);
    say(b, 22);
    say(a, 11);
    expect(replies.count).toBe(0);
    expect(emitted).toEqual([push(2, 20), push(1, 10)]);
  });

  test("two calls of one tag are two calls", () => {
    const { replies, emitted, call } = taggedReplies();
    const [a, b] = [call(4), call(4)];
    say(a, 1);
    say(b, 2);
    expect(emitted).toEqual([push(4, 1), push(4, 2)]);
    expect(replies.count).toBe(0);
  });
});
