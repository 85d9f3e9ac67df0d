/**
 * Spans of stored objects, from the function's own access to the object store or through the nodes: the node that is asked is the
 * same one for the same part of an object, so that what nodes keep is of use; where it fails or is busy the next one is asked.
 */
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeEntry } from "../../src/placement/types.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import { type StoredRange, storedPartOf } from "../../src/wire/stored-spans.ts";
import type { ClientContext } from "../context.ts";
import { checkDeadline, type Deadline, leftMs, pause, within } from "../transport/deadline.ts";
import { Stop, type StopSignal } from "../transport/stop.ts";

export interface SpanRead extends StoredRange {
  /** Of `length` bytes. */
  readonly into: Uint8Array;
}

export interface FetchOptions {
  /** So many of the nodes that would be asked first are passed over: what came from them was damaged. */
  readonly passOver: number;
}

const backoffMsMin = 20;
const backoffMsMax = 500;
/** A node that has not answered for so long may be gone: another one is asked as well. */
const hedgeMsMax = 3000;
/** For the answer to travel, and to ask once more. */
const marginMs = 100;

/**
 * Nodes in the order in which they are asked for the part of an object: the same for all clients, and moved little when a node comes
 * or goes.
 */
export function nodesFor(span: StoredRange, nodes: readonly NodeEntry[]): NodeEntry[] {
  const seed = hashOf(`${storedPartOf(span)} ${span.name}`);
  const active = nodes.filter(({ state }) => state === "active");
  const asked = active.length > 0 ? active : nodes.filter(({ state }) => state !== "dead");
  return asked
    .map((node) => ({ node, rank: mix(seed ^ Math.imul(node.id, 0x9e3779b1)) }))
    .sort((a, b) => a.rank - b.rank || a.node.id - b.node.id)
    .map(({ node }) => node);
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/** The last step of MurmurHash3. */
function mix(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** How many bytes of each span came: fewer than asked for where the object ends before; undefined when nothing of the name is there. */
export type SpanLengths = (number | undefined)[];

/**
 * Reads spans with one request, until that succeeds, fails for good, or the deadline passes. Nothing is written to their memory after
 * it settles.
 * @throws MayflyError STORE_UNAVAILABLE, STORE_REFUSED, NODE_UNREACHABLE, BUSY, DEADLINE_EXCEEDED, ABORTED, JOB_ENDED, FORBIDDEN
 */
export async function fetchSpans(
  context: ClientContext,
  spans: readonly SpanRead[],
  options: FetchOptions,
  deadline: Deadline,
): Promise<SpanLengths> {
  if (context.store.url !== undefined) {
    const lengths = await fetchDirectly(context, context.store.url, spans, deadline);
    if (lengths !== undefined) return lengths;
  }
  return await fetchThroughNodes(context, spans, options, deadline);
}

async function openStore({ clock, rng }: ClientContext, url: string): Promise<ObjectStore> {
  const { openObjectStore } = await import("../../src/durable/open-store.ts");
  return await openObjectStore(url, { clock, rng });
}

/** Undefined when the nodes should be asked: they may reach what this function does not, and know the store of the fleet. */
async function fetchDirectly(
  context: ClientContext,
  url: string,
  spans: readonly SpanRead[],
  deadline: Deadline,
): Promise<SpanLengths | undefined> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(deadline.signal?.reason);
  deadline.signal?.addEventListener("abort", abort, { once: true });
  if (deadline.signal?.aborted === true) abort();
  try {
    const timeoutMs = Math.max(1, leftMs(deadline) - marginMs);
    context.store.opened ??= openStore(context, url);
    const store = await within(deadline, context.store.opened);
    const reads = spans.map(async ({ name, offset, length, into }) => {
      const range = { start: offset, end: offset + length };
      return (await store.get(name, { range, into, timeoutMs, signal: controller.signal })).length;
    });
    // Those that go on after one has failed write to the same memory.
    const settled = await Promise.allSettled(reads);
    for (const one of settled) if (one.status === "rejected") throw one.reason;
    return settled.map((one) => (one as PromiseFulfilledResult<number>).value);
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    checkDeadline(deadline, error);
    const othersMayDo = ["STORE_UNAVAILABLE", "STORE_REFUSED", "NOT_FOUND", "BUSY"].includes(error.code);
    if (othersMayDo && leftMs(deadline) > marginMs) return undefined;
    throw error;
  } finally {
    deadline.signal?.removeEventListener("abort", abort);
  }
}

async function fetchThroughNodes(
  context: ClientContext,
  spans: readonly SpanRead[],
  { passOver }: FetchOptions,
  deadline: Deadline,
): Promise<SpanLengths> {
  const [first] = spans;
  if (first === undefined) return [];
  let backoffMs = backoffMsMin;
  let last: MayflyError | undefined;
  for (let attempt = passOver; ; attempt++) {
    checkDeadline(deadline, last);
    const { nodes } = await context.view.ready(deadline);
    const order = nodesFor(first, nodes);
    if (order.length === 0) last = new MayflyError("UNAVAILABLE", "No node of the fleet is active.");
    try {
      if (order.length > 0) return await askHedged(context, order, attempt, spans, passOver > 0, deadline);
    } catch (thrown) {
      last = MayflyError.from(thrown);
      if (last.kind !== "unavailable" && last.kind !== "busy") throw last;
      // What it failed with says more than that time is over.
      if (last.code === "STORE_UNAVAILABLE" && leftMs(deadline) < 2 * marginMs) throw last;
    }
    const isRoundOver = (attempt + 1 - passOver) % Math.max(1, order.length) === 0;
    if (!isRoundOver && last?.code !== "STORE_UNAVAILABLE") continue;
    if (last?.code === "NODE_UNREACHABLE") await context.view.refresh(deadline).catch(() => undefined);
    const delayMs = Math.max(last?.retryAfterMs ?? 0, backoffMs * (0.5 + context.rng.random()));
    if (last?.code === "STORE_UNAVAILABLE" && leftMs(deadline) < delayMs + 2 * marginMs) throw last;
    await pause(deadline, delayMs, last);
    backoffMs = Math.min(backoffMsMax, backoffMs * 2);
  }
}

/** Asks a node, and the next one as well when it is silent for long: the first answer counts. */
async function askHedged(
  context: ClientContext,
  order: readonly NodeEntry[],
  attempt: number,
  spans: readonly SpanRead[],
  fresh: boolean,
  deadline: Deadline,
): Promise<SpanLengths> {
  const node = order[attempt % order.length]!;
  const other = order[(attempt + 1) % order.length]!;
  if (other === node) return await ask(context, node, spans, fresh, deadline);
  const stops = [new Stop(), new Stop()];
  const onAbort = (): void => {
    for (const stop of stops) stop.abort(deadline.signal?.reason);
  };
  deadline.signal?.addEventListener("abort", onAbort, { once: true });
  if (deadline.signal?.aborted === true) onAbort();
  const part = (signal: StopSignal): Deadline => ({ ...deadline, signal });
  let cancel = (): void => undefined;
  try {
    const first = ask(context, node, spans, fresh, part(stops[0]!));
    const silent = new Promise<"silent">((resolve) => {
      const delayMs = Math.min(hedgeMsMax, leftMs(deadline) / 2);
      cancel = context.clock.after(delayMs, () => resolve("silent"), true);
    });
    const outcome = await Promise.race([first, silent]);
    if (outcome !== "silent") return outcome;
    const copies = spans.map((span) => ({ ...span, into: Buffer.allocUnsafe(span.length) }));
    const second = ask(context, other, copies, fresh, part(stops[1]!));
    const winner = await Promise.any([
      first.then((lengths) => ({ lengths, copied: false })),
      second.then((lengths) => ({ lengths, copied: true })),
    ]).catch(
      // Both have failed: the first one's reason is as good as the other's.
      (thrown: unknown) => {
        throw thrown instanceof AggregateError ? thrown.errors[0] : thrown;
      },
    );
    for (const stop of stops) stop.abort(undefined);
    await Promise.allSettled([first, second]);
    if (winner.copied) for (const [at, span] of spans.entries()) span.into.set(copies[at]!.into);
    return winner.lengths;
  } finally {
    cancel();
    deadline.signal?.removeEventListener("abort", onAbort);
  }
}

async function ask(
  context: ClientContext,
  node: NodeEntry,
  spans: readonly SpanRead[],
  fresh: boolean,
  deadline: Deadline,
): Promise<SpanLengths> {
  const timeoutMs = Math.max(1, Math.floor(leftMs(deadline) - marginMs));
  const ranges = spans.flatMap(({ name, offset, length }) => [name, offset, length]);
  const args = [timeoutMs, fresh ? 1 : 0, ...ranges];
  const reply = await context.pool.connection(node, "bulk").request("MF.STORE.GET", args, {
    deadline,
    targetOf: (length, path) => {
      const span = path.length === 1 ? spans[path[0]!] : undefined;
      return span !== undefined && length <= span.length ? span.into.subarray(0, length) : undefined;
    },
  });
  if (Array.isArray(reply) && reply.length === spans.length)
    return spans.map((span, at) => accept(span, reply[at]));
  throw new MayflyError("PROTOCOL", `node ${node.id} answered MF.STORE.GET with the wrong number of ranges.`);
}

/** Small ones were not received in place. */
function accept({ into, length }: SpanRead, item: RespValue | undefined): number | undefined {
  if (!(item instanceof Uint8Array) || item.length > length) return undefined;
  if (item.buffer !== into.buffer || item.byteOffset !== into.byteOffset) into.set(item);
  return item.length;
}
