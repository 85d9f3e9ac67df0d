import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Chunk } from "../../../examples/excamera-chain/chunk.ts";
import { encodeAlone, encodeSerially } from "../../../examples/excamera-chain/chunk.ts";
import type { Coding } from "../../../examples/excamera-chain/codec.ts";
import { framesOf, plateFile, readFilm } from "../../../examples/excamera-chain/film.ts";
import { lumaPsnr } from "../../../examples/excamera-chain/frame.ts";
import { type LinkOutcome, runLink } from "../../../examples/excamera-chain/link.ts";
import {
  packState,
  type StateExchange,
  unpackState,
} from "../../../examples/excamera-chain/state-exchange.ts";
import { packChunk } from "../../../examples/excamera-chain/stream.ts";
import { filmOf, moves, shapes } from "./film-of-moves.ts";

interface Slot {
  readonly data: Promise<Uint8Array>;
  readonly give: (data: Uint8Array) => void;
}

/** Links of one process hand over in memory; what goes between processes is in test/integration/. */
function exchangeInMemory(): StateExchange & { readonly sent: number[] } {
  const slots = new Map<number, Slot>();
  const sent: number[] = [];
  const slot = (link: number): Slot => {
    let give: Slot["give"] = () => undefined;
    const data = new Promise<Uint8Array>((resolve) => {
      give = resolve;
    });
    const found = slots.get(link) ?? { data, give };
    slots.set(link, found);
    return found;
  };
  return {
    sent,
    async send(to, data) {
      sent.push(to);
      slot(to).give(data);
    },
    async receive(at) {
      return { data: await slot(at).data, done: async () => undefined };
    },
  };
}

function chunksOf(frames: readonly Uint8Array[], size: number): Chunk[] {
  return Array.from({ length: Math.ceil(frames.length / size) }, (_, index) => ({
    before: frames[index * size - 1],
    frames: frames.slice(index * size, (index + 1) * size),
  }));
}

/** All links at a time, with a clock that moves by one with every look at it. */
async function chain(
  coding: Coding,
  chunks: readonly Chunk[],
): Promise<{ outcomes: LinkOutcome[]; sent: number[] }> {
  const exchange = exchangeInMemory();
  let ms = 0;
  const now = (): number => {
    ms += 1;
    return ms;
  };
  const outcomes = await Promise.all(
    chunks.map((chunk, index) =>
      runLink({ index, links: chunks.length, coding, chunk, timeoutMs: 1000 }, exchange, now),
    ),
  );
  return { outcomes, sent: exchange.sent };
}

test("chunks of any length make what one process makes, whatever is in the film", async () => {
  const films = fc.record({
    shape: fc.constantFrom(...shapes),
    seed: fc.nat(1e6),
    all: fc.array(moves, { minLength: 1, maxLength: 12 }),
    size: fc.integer({ min: 1, max: 5 }),
    step: fc.integer({ min: 2, max: 40 }),
  });
  let settled = 0;
  let again = 0;
  await fc.assert(
    fc.asyncProperty(films, async ({ shape, seed, all, size, step }) => {
      const coding = { ...shape, step };
      const frames = filmOf(shape, seed, all);
      const { outcomes, sent } = await chain(coding, chunksOf(frames, size));
      const chained = packChunk(outcomes.flatMap(({ coded }) => coded));
      expect(Buffer.compare(chained, packChunk(encodeSerially(coding, frames)))).toBe(0);
      expect(sent.toSorted((a, b) => a - b)).toEqual(outcomes.slice(1).map((_, index) => index + 1));
      again += outcomes.reduce((sum, { facts }) => sum + facts.again, 0);
      settled += outcomes.filter(({ facts }) => facts.again < facts.frames).length;
    }),
    { numRuns: 60 },
  );
  // Both ways were taken.
  expect(again).toBeGreaterThan(0);
  expect(settled).toBeGreaterThan(0);
});

test("a chain of pictures is what one process makes of them; links depend on all before them", async () => {
  const film = await readFilm(plateFile());
  expect(film).toMatchObject({ width: 480, height: 704, frames: { length: 31 } });
  const coding = { width: film.width, height: film.height, step: 8 };
  expect(new Set(film.frames.map((frame) => createHash("sha256").update(frame).digest("hex"))).size).toBe(26);
  const frames = framesOf(film, 6);
  const chunks = chunksOf(frames, 2);
  const { outcomes } = await chain(coding, chunks);
  const serial = encodeSerially(coding, frames);
  expect(Buffer.compare(packChunk(outcomes.flatMap(({ coded }) => coded)), packChunk(serial))).toBe(0);
  expect(outcomes.map(({ facts }) => facts.again)).toEqual([0, 2, 2]);
  expect(outcomes.map(({ facts }) => facts.handOverMs === undefined)).toEqual([true, false, false]);
  // A link that did not rebase would have made something else.
  const alone = encodeAlone(coding, chunks[1]!);
  expect(Buffer.compare(alone.coded[1]!.bytes, serial[3]!.bytes)).not.toBe(0);
  expect(lumaPsnr(film, serial[5]!.state, frames[5]!)).toBeGreaterThan(35);
  expect(packChunk(serial).length).toBeLessThan((frames.length * frames[0]!.length) / 3);
});

test("a link behind a cut hands on before it has heard from its neighbour", async () => {
  const shape = shapes[1]!;
  const coding = { ...shape, step: 8 };
  const chunk = { before: filmOf(shape, 9, ["cut"])[0]!, frames: filmOf(shape, 5, ["cut", "drift"]) };
  const exchange = exchangeInMemory();
  const never: StateExchange = { ...exchange, receive: () => Promise.reject(new Error("it asked")) };
  const link = { index: 1, links: 3, coding, chunk, timeoutMs: 1000 };
  const { facts } = await runLink(link, never, () => 0);
  expect(exchange.sent).toEqual([2]);
  expect(facts.again).toBe(0);
  const later = { ...chunk, frames: [chunk.before, ...chunk.frames] };
  await expect(runLink({ ...link, chunk: later }, never, () => 0)).rejects.toThrow("it asked");
  expect(exchange.sent).toEqual([2, 2]);
});

test("a state that is not of this film is refused", () => {
  const state = Uint8Array.of(1, 2, 3);
  expect(unpackState(packState(1234.5, state), 3)).toEqual({ sentAtMs: 1234.5, state });
  expect(() => unpackState(packState(0, state), 4)).toThrow("a state of 3 bytes came, and frames have 4");
});

test("a file that is no GIF is told of", async () => {
  await expect(readFilm("/there/is/no.gif")).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(readFilm(new URL(import.meta.url).pathname)).rejects.toThrow("is no GIF");
});
