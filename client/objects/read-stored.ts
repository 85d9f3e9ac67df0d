/** Reading what lies in the object store: ranges that lie together with one request, several nodes at a time, verified. */
import { MayflyError } from "../../src/errors.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { coalesce, type StoredSpan } from "../../src/wire/stored-spans.ts";
import type { ClientContext } from "../context.ts";
import { checkDeadline, type Deadline } from "../transport/deadline.ts";
import { together } from "../transport/together.ts";
import { fetchSpans, nodesFor, type SpanRead } from "./fetch-stored.ts";
import type { RangeRead } from "./read-ranges.ts";
import { piecesOf, type StoredPiece, takePiece } from "./stored-pieces.ts";

type Span = StoredSpan<StoredPiece>;

const batchBytesMax = 1024 * 1024;
const batchSpansMax = 64;
/** Memory for what is on its way: so many batches of up to 4 MiB. */
const batchesInFlight = 6;
/** What is damaged is asked for again, of another node and past what that one keeps. */
const attemptsMax = 3;

/** Why some reads could not be done, by read: LOST when nothing of the name is in the store, or DAMAGED. */
export type StoredFailures = ReadonlyMap<RangeRead, MayflyError>;

/**
 * Fills the `into` of every read from the store, and tells which are not there. Nothing is written there after it settles.
 * @throws MayflyError STORE_UNAVAILABLE, STORE_REFUSED, DEADLINE_EXCEEDED, ABORTED, JOB_ENDED, BUSY
 */
export async function fetchStored(
  context: ClientContext,
  reads: readonly RangeRead[],
  deadline: Deadline,
): Promise<StoredFailures> {
  const failures = new Map<RangeRead, MayflyError>();
  let pieces = reads.flatMap((read) => [...piecesOf(read)]);
  for (let attempt = 0; pieces.length > 0 && attempt < attemptsMax; attempt++) {
    const damaged: StoredPiece[] = [];
    await fetchAll(context, coalesce(pieces), attempt, deadline, (piece, bytes) => {
      if (bytes === undefined) failures.set(piece.read, missingError(piece.read.ref));
      else if (!takePiece(context.memory().checksums, context.job, piece, bytes)) damaged.push(piece);
    });
    pieces = damaged.filter(({ read }) => !failures.has(read));
  }
  for (const { read } of pieces) failures.set(read, damagedError(read.ref));
  return failures;
}

/** Like `fetchStored`. @throws MayflyError LOST with the refs, DAMAGED, and what that throws */
export async function readStored(
  context: ClientContext,
  reads: readonly RangeRead[],
  deadline: Deadline,
): Promise<void> {
  const failures = [...(await fetchStored(context, reads, deadline)).values()];
  const [first] = failures;
  if (first === undefined) return;
  const lost = failures.filter(({ code }) => code === "LOST");
  if (lost.length < 2) throw lost[0] ?? first;
  throw new MayflyError("LOST", first.message, { refs: lost.flatMap(({ refs }) => refs) });
}

async function fetchAll(
  context: ClientContext,
  spans: readonly Span[],
  passOver: number,
  deadline: Deadline,
  take: (piece: StoredPiece, bytes: Uint8Array | undefined) => void,
): Promise<void> {
  const { nodes } = await context.view.ready(deadline);
  const batches = batchesOf(spans, (span) => nodesFor(span, nodes)[0]?.id ?? 0);
  let next = 0;
  const worker = async (part: Deadline): Promise<void> => {
    for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
      checkDeadline(part);
      const asked = batch.map((span): SpanRead => ({ ...span, into: memoryFor(span) }));
      const lengths = await fetchSpans(context, asked, { passOver }, part);
      for (const [at, { ranges, offset }] of batch.entries()) {
        const length = lengths[at];
        const bytes = asked[at]!.into.subarray(0, length ?? 0);
        for (const piece of ranges) {
          const from = piece.offset - offset;
          take(piece, length === undefined ? undefined : bytes.subarray(from, from + piece.length));
        }
      }
    }
  };
  const workers = Math.min(batches.length, batchesInFlight);
  await together(deadline, (part) => Array.from({ length: workers }, () => worker(part)));
}

/** Where a span is just one plain range of one read, its bytes are received in place. */
function memoryFor({ ranges, length }: Span): Uint8Array {
  const [piece] = ranges;
  if (piece !== undefined && ranges.length === 1 && piece.read.ref.stored?.layout === "plain") {
    const { read, from, to } = piece;
    return read.into.subarray(from - read.offset, to - read.offset);
  }
  return length < 4096 ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
}

/** Spans that one node is asked for together; the batches of different nodes in turns. */
export function batchesOf<T extends { readonly length: number }>(
  spans: readonly T[],
  nodeOf: (span: T) => number,
): T[][] {
  const byNode = new Map<number, { batches: T[][]; bytes: number }>();
  for (const span of spans) {
    const node = nodeOf(span);
    const lane = byNode.get(node) ?? { batches: [], bytes: 0 };
    byNode.set(node, lane);
    const last = lane.batches.at(-1);
    lane.bytes += span.length;
    if (last !== undefined && lane.bytes <= batchBytesMax && last.length < batchSpansMax) last.push(span);
    else {
      lane.batches.push([span]);
      lane.bytes = span.length;
    }
  }
  const lanes = [...byNode.values()].map(({ batches }) => batches);
  const turns = Math.max(0, ...lanes.map(({ length }) => length));
  return Array.from({ length: turns }, (_, turn) =>
    lanes.flatMap((batches) => batches.slice(turn, turn + 1)),
  ).flat();
}

function missingError(ref: Ref): MayflyError {
  const name = JSON.stringify(ref.stored?.name);
  return new MayflyError(
    "LOST",
    `${shownKey(ref)} should lie in the object store at ${name}, where nothing is.`,
    {
      refs: [ref.toString()],
    },
  );
}

function damagedError(ref: Ref): MayflyError {
  const name = JSON.stringify(ref.stored?.name);
  const message = `${shownKey(ref)} is damaged or cut off in the object store, at ${name}: ${attemptsMax} reads of it came wrong.`;
  return new MayflyError("DAMAGED", message, { refs: [ref.toString()] });
}

function shownKey({ key }: Ref): string {
  return `The object of key ${JSON.stringify(Buffer.from(key).toString())}`;
}
