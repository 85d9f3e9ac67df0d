/** The fake fleet of the relocation tests, with a spill on each node and one object store for all. */
import { ScratchMemory } from "../../../cache-node/relocation/scratch-memory.ts";
import type { SpillPolicy } from "../../../cache-node/spill/plan-spill.ts";
import { Spill } from "../../../cache-node/spill/spill.ts";
import { StripeMemory } from "../../../client/stripe-memory.ts";
import { shardSeed } from "../../../src/checksum/frame-checksums.ts";
import { seededRng } from "../../../src/clock.ts";
import { groupOfObject, objectIdBytes } from "../../../src/ids.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import type { Code } from "../../../src/placement/types.ts";
import { encodeRef, type Ref } from "../../../src/wire/ref.ts";
import { framedAt, framedBytes, sumBytes } from "../../../src/wire/stored-layout.ts";
import { frameBytes, storedBytes, stripeAt, stripeCount } from "../../../src/wire/stripe-layout.ts";
import { BreakableObjectStore } from "../../support/breakable-object-store.ts";
import { FakeFleet, type FakeFleetOptions, job } from "../relocation/fake-fleet.ts";

const mebibyte = 2 ** 20;
export const fleetName = "0123456789abcdef";
const sums = new StripeMemory(8 * mebibyte);

export interface SpillFleetOptions extends FakeFleetOptions {
  readonly policy?: Partial<SpillPolicy>;
  readonly isWaitedFor?: (name: string) => boolean;
}

export class SpillFleet extends FakeFleet {
  readonly objectStore = new BreakableObjectStore();
  readonly spills = new Map<number, Spill>();

  constructor(options: SpillFleetOptions) {
    super(options);
    const policy = {
      ...{ highRatio: 0.8, lowRatio: 0.7, urgentRatio: 0.9, packBytes: mebibyte, wholeBytesMax: mebibyte },
      ...options.policy,
    };
    for (const { id, memory, shards, jobs, relocation } of this.nodes.values()) {
      const spill: Spill = new Spill({
        ...{ clock: this.clock, rng: seededRng(id), self: () => id, shards, jobs, policy, fleet: fleetName },
        ...this.partsOf(id),
        scratch: new ScratchMemory(8 * mebibyte),
        memory: () => memory.stats(),
        store: () => Promise.resolve(this.objectStore),
        storeUrl: "memory://test",
        isRelocating: (of, object) => relocation.relocator.isMoving(of, object),
        isWaitedFor: (_, name) => options.isWaitedFor?.(name) ?? false,
        onPlaced: () => undefined,
      });
      this.spills.set(id, spill);
      spill.start();
    }
  }

  /** Writes the object and tells the primary's spill of it. */
  putObject(key: string, bytes: Uint8Array, code: Code, stripes: readonly (readonly number[])[]): Ref {
    const { ref } = this.write(key, bytes, code, stripes);
    this.spillOf(key).refCommitted(job, groupOfObject(ref.object)!, key, encodeRef(ref));
    return ref;
  }

  /** Nothing holds the object any more, as the primary knows. */
  override delete(key: string): void {
    const ref = this.refAt(key);
    super.delete(key);
    this.spillOf(key).freed(job, ref);
  }

  override lead(key: string, id: number): void {
    const before = this.spillOf(key);
    super.lead(key, id);
    const group = groupOf(Buffer.from(key));
    before.groupLeft(group);
    this.spillOf(key).groupActivated(group);
  }

  read(key: string): void {
    const ref = this.refAt(key);
    this.spillOf(key).refRead(job, groupOf(Buffer.from(key)), key, encodeRef(ref));
  }

  spillOf(key: string): Spill {
    return this.spills.get(this.primary(key).id)!;
  }

  /** The bytes of the object as the store has them; throws where a frame does not match its checksum. */
  storedBytesOf(key: string): Buffer {
    const { stored, sizeBytes, code, object } = this.refAt(key);
    if (stored === undefined) throw new Error(`${key} is not in the store`);
    const whole = this.objectStore.objects.get(stored.name)!.bytes;
    const framed = whole.subarray(stored.offset, stored.offset + framedBytes(sizeBytes, code));
    const out = Buffer.alloc(sizeBytes);
    for (let index = 0; index < stripeCount(sizeBytes, code); index++) {
      const stripe = stripeAt(sizeBytes, code, index);
      for (let shard = 0; shard < code.d; shard++) {
        const length = storedBytes(stripe, code, shard);
        const seed = shardSeed(job, objectIdBytes(object), index, shard);
        sums.checksums.setSeed(seed.lo, seed.hi);
        for (let at = 0; at < length; at += frameBytes) {
          const from = framedAt(sizeBytes, code, index, shard, at);
          const bytes = framed.subarray(from, from + Math.min(frameBytes, length - at));
          const sum = Buffer.alloc(sumBytes);
          sums.checksums.hashByteFrames(bytes, frameBytes, sum);
          if (!sum.equals(framed.subarray(from + bytes.length, from + bytes.length + sumBytes))) {
            throw new Error(`${key}: frame ${at} of shard ${index}/${shard} is damaged in the store`);
          }
          bytes.copy(out, stripe.offset + shard * stripe.shardBytes + at);
        }
      }
    }
    return out;
  }

  /** Share of the memory that is claimed on the fullest node. */
  get fill(): number {
    const shares = this.living().map(({ memory }) => memory.stats().claimedBytes / memory.limitBytes);
    return Math.max(...shares);
  }
}
