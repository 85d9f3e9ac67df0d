/** Gives keys to objects that lie in the fleet's store already. */
import { MayflyError } from "../../src/errors.ts";
import { newObjectId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import { parseDurableName } from "../../src/wire/durable-name.ts";
import { encodeRef } from "../../src/wire/ref.ts";
import { checkObjectSize } from "../../src/wire/stripe-layout.ts";
import { keyBytes, writeCell } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { worthRetrying } from "../row-requests.ts";
import { checkDeadline, type Deadline, pause } from "../transport/deadline.ts";
import { eachOf } from "./each-of.ts";
import type { ImportOptions, ImportResult } from "./interfaces.ts";
import { storeTimeoutMs } from "./store-timeout.ts";

const keysInFlight = 64;
const pageNames = 1000;
const retryMs = 50;

interface Listed {
  readonly name: string;
  readonly sizeBytes: number;
}

interface Found extends Listed {
  readonly key: Uint8Array;
}

export async function importObjects(
  context: ClientContext,
  from: string,
  { prefix = "" }: ImportOptions,
  deadline: Deadline,
): Promise<ImportResult> {
  let [objects, bytes] = [0, 0];
  await eachOf(found(context, from, prefix, deadline), keysInFlight, async ({ name, sizeBytes, key }) => {
    checkObjectSize(sizeBytes, context.code);
    const object = newObjectId(groupOf(key), context.rng.bytes(16));
    const stored = { name, offset: 0, layout: "plain" } as const;
    const ref = encodeRef({ object, key, sizeBytes, code: context.code, stripes: undefined, stored });
    await writeCell(context, { key, kind: "ref", value: ref, condition: undefined, ttlMs: 0 }, deadline);
    objects += 1;
    bytes += sizeBytes;
  });
  if (objects > 0) return { objects, bytes };
  throw new MayflyError(
    "NOT_FOUND",
    `Nothing that this job may import has a name that begins with ${JSON.stringify(from)}.`,
  );
}

/** With their keys; of a durable object of another job only the newest, which comes last. */
async function* found(
  context: ClientContext,
  from: string,
  prefix: string,
  deadline: Deadline,
): AsyncGenerator<Found> {
  let last: Found | undefined;
  for await (const { base, name, sizeBytes } of listStored(context, from, deadline)) {
    const rest = keyIn(name, base);
    if (rest === undefined) continue;
    const key = keyBytes(Buffer.concat([Buffer.from(prefix), rest]));
    if (last !== undefined && Buffer.compare(last.key, key) !== 0) yield last;
    last = { name, sizeBytes, key };
  }
  if (last !== undefined) yield last;
}

/** What follows the last slash of `base`, decoded where that is a key. Undefined for what no job has written there. */
function keyIn(name: string, base: string): Uint8Array | undefined {
  const begin = base.lastIndexOf("/") + 1;
  const durable = /^[0-9a-f]{16}\/durable\//.test(name);
  if (!durable) return Buffer.from(name.slice(begin));
  const parsed = parseDurableName(name);
  if (parsed === undefined) return undefined;
  // A prefix of names is no prefix of keys where something is encoded: only whole segments are left out.
  const segments = base.slice(0, begin).split("/").length - 1;
  const text = name.split("/").slice(Math.max(3, segments)).join("/");
  const whole = name.split("/").slice(3).join("/");
  if (text === whole) return parsed.key;
  return parseDurableName(`${name.split("/").slice(0, 3).join("/")}/${text}`)?.key;
}

/** @throws MayflyError FORBIDDEN, STORE_UNAVAILABLE, STORE_REFUSED, INVALID_ARGUMENT */
async function* listStored(
  context: ClientContext,
  from: string,
  deadline: Deadline,
): AsyncGenerator<Listed & { readonly base: string }> {
  for (let after = "", isFirst = true; isFirst || after !== ""; isFirst = false) {
    const page = await listPage(context, from, after, deadline);
    for (const listed of page.listed) yield { ...listed, base: page.base };
    after = page.after;
  }
}

/** Of any node: all have the same store. */
async function listPage(
  context: ClientContext,
  from: string,
  after: string,
  deadline: Deadline,
): Promise<{ readonly base: string; readonly after: string; readonly listed: readonly Listed[] }> {
  for (let last: unknown; ; ) {
    checkDeadline(deadline, last);
    const { nodes } = await context.view.ready(deadline);
    const alive = nodes.filter(({ state }) => state !== "dead");
    const node = alive[Math.floor(context.rng.random() * alive.length)];
    try {
      if (node === undefined) throw new MayflyError("NODE_UNREACHABLE", "No node of the fleet is alive.");
      const args = [from, after, pageNames, storeTimeoutMs(deadline)];
      const connection = context.pool.connection(node, "small");
      return parsePage(await connection.request("MF.STORE.LIST", args, { deadline }));
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (!worthRetrying(error)) throw error;
      last = error;
      await context.view.refresh(deadline).catch(() => undefined);
      await pause(deadline, error.retryAfterMs ?? retryMs, error);
    }
  }
}

function parsePage(reply: unknown): { base: string; after: string; listed: Listed[] } {
  const [base, after, flat] = Array.isArray(reply) ? (reply as unknown[]) : [];
  if (!(base instanceof Uint8Array) || !(after instanceof Uint8Array) || !Array.isArray(flat))
    throw malformed();
  const listed: Listed[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [name, sizeBytes] = [flat[at] as unknown, flat[at + 1] as unknown];
    if (!(name instanceof Uint8Array) || typeof sizeBytes !== "number") throw malformed();
    listed.push({ name: Buffer.from(name).toString(), sizeBytes });
  }
  return { base: Buffer.from(base).toString(), after: Buffer.from(after).toString(), listed };
}

function malformed(): MayflyError {
  return new MayflyError(
    "PROTOCOL",
    "A node answered MF.STORE.LIST with something that is no list of names.",
  );
}
