/** Listing keys: every node lists the groups that it serves, page by page. */
import { MayflyError } from "../src/errors.ts";
import type { Group } from "../src/ids.ts";
import { formatEpoch } from "../src/placement/epoch.ts";
import { groupCount, groupOf } from "../src/placement/groups.ts";
import type { FleetMap, NodeEntry } from "../src/placement/types.ts";
import type { CellKind } from "../src/wire/cell.ts";
import type { RespValue } from "../src/wire/resp-value.ts";
import type { ClientContext } from "./context.ts";
import { memberFor, worthRetrying } from "./row-requests.ts";
import { checkDeadline, type Deadline, pause } from "./transport/deadline.ts";

export interface KeyEntry {
  /** UTF-8 text of the key; `keyBytes` has the bytes for keys that are no text. */
  readonly key: string;
  readonly keyBytes: Uint8Array;
  readonly version: string;
  readonly sizeBytes: number;
  readonly kind: Exclude<CellKind, "deleted" | "expired">;
}

const pageKeysMax = 1000;
const retryMs = 50;

/** What of the key space has been listed; a change of the map in between neither repeats nor skips a key. */
class Listing {
  readonly #done = new Uint8Array(groupCount);
  /** Groups of which a part was listed, and the last key of it. */
  readonly #after = new Map<number, Uint8Array>();

  firstOpen(from = 0): Group | undefined {
    const group = this.#done.indexOf(0, from);
    return group < 0 ? undefined : (group as Group);
  }

  after(group: Group): Uint8Array {
    return this.#after.get(group) ?? new Uint8Array(0);
  }

  isOpen(group: Group): boolean {
    return this.#done[group] === 0;
  }

  close(group: Group): void {
    this.#done[group] = 1;
    this.#after.delete(group);
  }

  stopAt(group: Group, key: Uint8Array): void {
    this.#after.set(group, key);
  }
}

/** Asks node after node for the groups that it serves. */
export async function* listKeys(
  context: ClientContext,
  prefix: Uint8Array,
  deadline: Deadline,
): AsyncGenerator<KeyEntry> {
  const listing = new Listing();
  let last: unknown;
  for (let group = listing.firstOpen(); group !== undefined; group = listing.firstOpen()) {
    checkDeadline(deadline, last);
    const map = await context.view.ready(deadline);
    try {
      const member = memberFor(map, context, group);
      yield* listNode(context, map, member, listing, prefix, deadline);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (!worthRetrying(error)) throw error;
      last = error;
      await context.view.refresh(deadline).catch(() => undefined);
      await pause(deadline, retryMs, error);
    }
  }
}

/** All that is still open of what `node` serves by `map`, page by page. */
async function* listNode(
  context: ClientContext,
  map: FleetMap,
  node: NodeEntry,
  listing: Listing,
  prefix: Uint8Array,
  deadline: Deadline,
): AsyncGenerator<KeyEntry> {
  const served = (group: Group): boolean => listing.isOpen(group) && map.rows[group]?.nodes[0] === node.id;
  let group = nextServed(served, 0);
  while (group !== undefined) {
    const args = [formatEpoch(map.epoch), group, listing.after(group), pageKeysMax, prefix];
    const reply = await context.pool.connection(node, "small").request("MF.CELL.LIST", args, { deadline });
    const page = parsePage(reply);
    const entries = page.entries.filter((entry) => served(groupOf(entry.keyBytes)));
    for (let listed = group as number; listed < page.nextGroup; listed++) {
      if (served(listed as Group)) listing.close(listed as Group);
    }
    if (page.after.length > 0) listing.stopAt(page.nextGroup as Group, page.after);
    yield* entries;
    group = nextServed(served, page.nextGroup);
  }
}

function nextServed(served: (group: Group) => boolean, from: number): Group | undefined {
  for (let group = from; group < groupCount; group++) if (served(group as Group)) return group as Group;
  return undefined;
}

interface Page {
  readonly entries: readonly KeyEntry[];
  readonly nextGroup: number;
  readonly after: Uint8Array;
}

/** `[next group, key to go on after, [key, version, kind, size, ...]]` */
function parsePage(reply: RespValue): Page {
  if (Array.isArray(reply)) {
    const [nextGroup, after, flat] = reply;
    if (typeof nextGroup === "number" && after instanceof Uint8Array && Array.isArray(flat)) {
      const entries: KeyEntry[] = [];
      for (let i = 0; i + 3 < flat.length; i += 4) entries.push(parseEntry(flat.slice(i, i + 4)));
      return { nextGroup, after, entries };
    }
  }
  throw malformed();
}

function parseEntry([key, version, kind, size]: readonly RespValue[]): KeyEntry {
  if (!(key instanceof Uint8Array) || typeof version !== "string" || typeof size !== "number")
    throw malformed();
  const text = Buffer.from(key).toString("utf8");
  return { key: text, keyBytes: key, version, sizeBytes: size, kind: kind as KeyEntry["kind"] };
}

function malformed(): MayflyError {
  return new MayflyError("PROTOCOL", "A node answered MF.CELL.LIST with something that is no page of keys.");
}
