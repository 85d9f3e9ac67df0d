/** What the shuffle scenario measures, and against whom. */

/** Peers by the names that reports have. */
export type ShufflePeer = "redis-multi-key" | "redis-pipeline" | "s3-ranges" | "s3-blocks";

export interface ShuffleCase {
  readonly name: string;
  readonly maps: number;
  readonly partitions: number;
  /** Of each pair of a map and a partition. */
  readonly blockBytes: number;
  readonly workers: number;
  readonly peers: readonly ShufflePeer[];
}

/** What a test of the scenario makes smaller. */
export interface ShuffleScale {
  /** All that is shuffled. */
  readonly bytes: number;
  /** Maps, and as many partitions. */
  readonly sides: readonly number[];
  readonly workers: readonly number[];
  readonly nodeMemoryBytes: number;
}

export const shuffleScaleDefault: ShuffleScale = {
  ...{ bytes: 1e9, sides: [100, 200, 400], workers: [1, 2, 4] },
  nodeMemoryBytes: 512 * 1024 * 1024,
};

/** An S3 server takes long, and 160,000 objects too long. */
const s3Workers = 2;
const s3BlocksMax = 40_000;

export function shuffleCases({ bytes, sides, workers }: ShuffleScale): ShuffleCase[] {
  return sides.flatMap((side) =>
    workers.map((count): ShuffleCase => {
      const s3: ShufflePeer[] = side * side > s3BlocksMax ? ["s3-ranges"] : ["s3-ranges", "s3-blocks"];
      return {
        name: `shuffle ${side}x${side} ${bytesText(bytes)} x${count} ${count === 1 ? "worker" : "workers"}`,
        ...{ maps: side, partitions: side, workers: count },
        blockBytes: Math.max(1, Math.round(bytes / (side * side))),
        peers: ["redis-multi-key", "redis-pipeline", ...(count === s3Workers ? s3 : [])],
      };
    }),
  );
}

function bytesText(bytes: number): string {
  return bytes >= 1e9 ? `${bytes / 1e9}GB` : `${bytes / 1e6}MB`;
}
