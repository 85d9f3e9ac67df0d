import { expect } from "vitest";
import type { Job } from "../../client/job.ts";
import type { NodeId } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { frameCount, storedBytes, stripeAt } from "../../src/wire/stripe-layout.ts";
import type { InProcessFleet } from "./in-process-fleet.ts";
import { RawClient } from "./raw-client.ts";

/** Reaches behind the SDK: reads, changes and frees single shards of an object. */
export class StoredShards {
  readonly #fleet: InProcessFleet;
  readonly job: Job;
  readonly ref: Ref;

  constructor(fleet: InProcessFleet, job: Job, ref: Ref) {
    this.#fleet = fleet;
    this.job = job;
    this.ref = ref;
  }

  async read(stripe: number, shard: number): Promise<[Buffer, Buffer] | null> {
    const { client, object, stored } = await this.#at(stripe, shard);
    const run = [object, stripe, shard, 0, stored, 0, frameCount(stored)] as const;
    const reply = (await client.tagged("MF.SHARD.GET", ...run)) as ([Buffer, Buffer] | null)[];
    return reply[0]!;
  }

  /** Flips one bit of the payload and leaves the sums as they are. */
  async damage(stripe: number, shard: number): Promise<void> {
    const [sums, payload] = (await this.read(stripe, shard))!;
    payload[Math.floor(payload.length / 2)]! ^= 0x10;
    const { client, object } = await this.#at(stripe, shard);
    expect(await client.tagged("MF.SHARD.PUT", object, stripe, shard, sums, payload)).toBe("OK");
  }

  async free(stripe: number, shard: number): Promise<void> {
    const { object, node } = await this.#at(stripe, shard);
    const client = await RawClient.open(this.#fleet.node(node));
    await client.send("HELLO", 3, "AUTH", "node-9", this.#fleet.fleetToken(9));
    expect(await client.tagged("MF.SHARD.FREE", this.job.number, object, stripe, shard)).toBe(1);
  }

  async #at(stripe: number, shard: number) {
    const node: NodeId = this.ref.stripes![stripe]![shard]!;
    const client = await RawClient.open(this.#fleet.node(node));
    await client.send("HELLO", 3, "AUTH", this.job.number, this.#fleet.jobToken(this.job.number));
    const { sizeBytes, code } = this.ref;
    const stored = storedBytes(stripeAt(sizeBytes, code, stripe), code, shard);
    return { client, node, stored, object: Buffer.from(this.ref.object, "latin1") };
  }
}
