/** Cell commands for one key, spoken over a raw socket to its primary. */
import { randomBytes } from "node:crypto";
import { newObjectId } from "../../../src/ids.ts";
import { formatEpoch } from "../../../src/placement/epoch.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { encodeRef, type RefFields } from "../../../src/wire/ref.ts";
import { type RespValue, respText } from "../../../src/wire/resp-value.ts";
import type { InProcessFleet } from "../../support/in-process-fleet.ts";
import { RawClient } from "../../support/raw-client.ts";

/** A connection to a node with the token of a job. */
export async function openAt(fleet: InProcessFleet, node: number, of: number): Promise<RawClient> {
  const client = await RawClient.open(fleet.node(node));
  await client.send("HELLO", 3, "AUTH", of, fleet.jobToken(of));
  return client;
}

/** Talks to the primary of one key, as one session. */
export class KeyClient {
  readonly fleet: InProcessFleet;
  readonly key: Buffer;
  readonly client: RawClient;
  readonly session = randomBytes(8);
  sequence = 0;

  constructor(fleet: InProcessFleet, key: Buffer, client: RawClient) {
    this.fleet = fleet;
    this.key = key;
    this.client = client;
  }

  static async open(fleet: InProcessFleet, key: string | Buffer, job: number): Promise<KeyClient> {
    const client = await openAt(fleet, fleet.row(key)[0]!.id, job);
    return new KeyClient(fleet, Buffer.from(key), client);
  }

  /** That of the fleet's map now. */
  get epoch(): string {
    return formatEpoch(this.fleet.map.epoch);
  }

  set(
    value: string | Uint8Array,
    { condition = "", ttlMs = 0, kind = "bytes", sequence = ++this.sequence, floor = 1 } = {},
  ): Promise<RespValue> {
    const head = [this.epoch, this.session, sequence, floor, condition, ttlMs, kind] as const;
    return this.client.tagged("MF.CELL.SET", ...head, this.key, value);
  }

  get(waitMs = 0): Promise<RespValue> {
    return this.client.tagged("MF.CELL.GET", this.epoch, waitMs, this.key);
  }

  async value(): Promise<string | undefined> {
    const reply = await this.get();
    return Array.isArray(reply) ? respText(reply[3]) : undefined;
  }

  del({ condition = "", sequence = ++this.sequence, floor = 1 } = {}): Promise<RespValue> {
    return this.client.tagged("MF.CELL.DEL", this.epoch, this.session, sequence, floor, condition, this.key);
  }

  /** `[version, result]` */
  update(
    operation: string,
    args: readonly (string | number | Uint8Array)[],
    { condition = "", ttlMs = 0, sequence = ++this.sequence, floor = 1 } = {},
  ): Promise<RespValue> {
    const head = [this.epoch, this.session, sequence, floor, condition, ttlMs, this.key] as const;
    return this.client.tagged("MF.CELL.UPDATE", ...head, operation, ...args);
  }

  /** `[version, kind, ttl left, value]`, or null */
  read(what: string, args: readonly (string | number)[] = [], waitMs = 0, count = 0): Promise<RespValue> {
    return this.client.tagged("MF.CELL.READ", this.epoch, waitMs, count, this.key, what, ...args);
  }

  /** The version once it is not `known` any more, or null. */
  watch(known: string, waitMs: number): Promise<RespValue> {
    return this.client.tagged("MF.CELL.WATCH", this.epoch, waitMs, known, this.key);
  }

  abort(ref: RefFields): Promise<RespValue> {
    const args = [this.epoch, this.session, ++this.sequence, 1, this.key, encodeRef(ref)] as const;
    return this.client.tagged("MF.CELL.ABORT", ...args);
  }

  /** A ref of a small object at this key, on the first nodes of the fleet. */
  ref(object = newObjectId(groupOf(this.key), randomBytes(16))): RefFields {
    const code = { d: 2, p: 1 };
    const stripes = [this.fleet.map.nodes.slice(0, 3).map((node) => node.id)];
    return { object, key: this.key, sizeBytes: 100_000, code, stripes };
  }

  commit(ref: RefFields, options: { condition?: string; sequence?: number } = {}): Promise<RespValue> {
    return this.set(encodeRef(ref), { kind: "ref", ...options });
  }
}
