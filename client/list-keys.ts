/** Listing keys: every primary lists the groups it serves, page by page. */
import { MayflyError } from "../src/errors.ts";
import type { Group } from "../src/ids.ts";
import { formatEpoch } from "../src/placement/epoch.ts";
import { groupCount } from "../src/placement/groups.ts";
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
  readonly kind: "bytes" | "ref";
}

const pageKeysMax = 1000;
const retryMs = 50;

/** Walks the groups in order; a node answers for a run of groups that it serves, and says where it stopped. */
export async function* listKeys(
  context: ClientContext,
  prefix: Uint8Array,
  deadline: Deadline,
): AsyncGenerator<KeyEntry> {
  let group = 0;
  let after: Uint8Array = new Uint8Array(0);
  while (group < groupCount) {
    const page = await askPage(context, group as Group, after, prefix, deadline);
    yield* page.entries;
    group = page.nextGroup;
    after = page.after;
  }
}

interface Page {
  readonly entries: readonly KeyEntry[];
  readonly nextGroup: number;
  readonly after: Uint8Array;
}

async function askPage(
  context: ClientContext,
  group: Group,
  after: Uint8Array,
  prefix: Uint8Array,
  deadline: Deadline,
): Promise<Page> {
  let last: unknown;
  for (;;) {
    checkDeadline(deadline, last);
    const map = await context.view.ready(deadline);
    try {
      const member = memberFor(map, context, group, "read");
      const args = [formatEpoch(map.epoch), group, after, pageKeysMax, prefix];
      const reply = await context.pool
        .connection(member, "small")
        .request("MF.CELL.LIST", args, { deadline });
      return parsePage(reply);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (!worthRetrying(error)) throw error;
      last = error;
      await context.view.refresh(deadline).catch(() => undefined);
      await pause(deadline, retryMs, error);
    }
  }
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
  if (kind !== "bytes" && kind !== "ref") throw malformed();
  return { key: Buffer.from(key).toString("utf8"), keyBytes: key, version, sizeBytes: size, kind };
}

function malformed(): MayflyError {
  return new MayflyError("PROTOCOL", "A node answered MF.CELL.LIST with something that is no page of keys.");
}
