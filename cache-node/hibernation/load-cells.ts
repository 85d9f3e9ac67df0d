/** Fetches groups from the packs that the nodes of a sleeping fleet have written. */
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group } from "../../src/ids.ts";
import type { Version } from "../../src/wire/version.ts";
import { decodeRecords, type GroupRecord } from "../replication/snapshot.ts";
import { checkPacked, type PackedGroup, packIndexBytesMax, readPackIndex } from "./group-pack.ts";

export interface LoadedGroup {
  readonly group: Group;
  readonly version: Version;
  readonly records: readonly GroupRecord[];
}

interface Pack {
  readonly name: string;
  readonly groups: readonly PackedGroup[];
  /** The whole pack, where it is small. */
  readonly bytes: Uint8Array | undefined;
}

/** Smaller packs are fetched whole, with their index, in one request. */
const wholeBytesMax = 4 * 1024 * 1024;
/** Of one request, but at least one group; and what lies between two groups of one request. */
const rangeBytesMax = 8 * 1024 * 1024;
const gapBytesMax = 256 * 1024;

export class SleepingCells {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  #packs: Promise<readonly Pack[]> | undefined;

  /** @param prefix of the names of all packs */
  constructor(store: ObjectStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /**
   * The groups, as they come; each of them once.
   *
   * @throws MayflyError DAMAGED when one is in no pack, or is not what was written; what the object store throws
   */
  async *load(groups: ReadonlySet<Group>): AsyncGenerator<LoadedGroup> {
    const packs = await this.open();
    const missing = new Set(groups);
    for (const pack of packs) {
      const wanted = pack.groups.filter(({ group }) => missing.delete(group));
      for (const range of rangesOf(wanted)) {
        const start = range[0]!.offset;
        const end = range.at(-1)!.offset + range.at(-1)!.length;
        const bytes =
          pack.bytes?.subarray(start, end) ??
          (start === end ? new Uint8Array(0) : await this.#store.get(pack.name, { range: { start, end } }));
        for (const packed of range) {
          const own = bytes.subarray(packed.offset - start, packed.offset - start + packed.length);
          checkPacked(packed, own);
          yield { group: packed.group, version: packed.version, records: decodeRecords(own) };
        }
      }
    }
    if (missing.size === 0) return;
    const message = `What the fleet slept with lacks ${missing.size} of its groups, group ${[...missing][0]} for one.`;
    throw new MayflyError("DAMAGED", message);
  }

  /** Finds all packs, and fetches those that are small; what comes of it is kept. @throws MayflyError as `load` */
  open(): Promise<readonly Pack[]> {
    this.#packs ??= this.#findPacks().catch((thrown: unknown) => {
      this.#packs = undefined;
      throw thrown;
    });
    return this.#packs;
  }

  async #findPacks(): Promise<readonly Pack[]> {
    const found: { readonly name: string; readonly sizeBytes: number }[] = [];
    for await (const object of this.#store.list(this.#prefix)) found.push(object);
    return await Promise.all(
      found.map(async ({ name, sizeBytes }): Promise<Pack> => {
        const isSmall = sizeBytes <= wholeBytesMax;
        const start = isSmall ? 0 : sizeBytes - packIndexBytesMax;
        const bytes = await this.#store.get(name, { range: { start, end: sizeBytes } });
        return { name, groups: readPackIndex(bytes, sizeBytes), bytes: isSmall ? bytes : undefined };
      }),
    );
  }
}

/** Groups that lie near one another are fetched together. */
function rangesOf(groups: readonly PackedGroup[]): PackedGroup[][] {
  const ranges: PackedGroup[][] = [];
  for (const packed of groups) {
    const range = ranges.at(-1);
    const last = range?.at(-1);
    const first = range?.[0];
    const fits =
      last !== undefined &&
      first !== undefined &&
      packed.offset - last.offset - last.length <= gapBytesMax &&
      packed.offset + packed.length - first.offset <= rangeBytesMax;
    if (fits) range!.push(packed);
    else ranges.push([packed]);
  }
  return ranges;
}
