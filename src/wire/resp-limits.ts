/**
 * What a decoder accepts. Every length is compared with its limit when its header line is complete, before any
 * memory is reserved for it, and containers grow with the elements that really arrive.
 */
export interface RespLimits {
  /** Arguments of a command; elements of an aggregate in a reply (a map of n pairs has 2n). */
  readonly arrayLengthMax: number;
  /** One bulk string, also when it goes to a target of the handler or is discarded. */
  readonly bulkBytesMax: number;
  /** Aggregates inside one another; a reply that is a flat array has depth 1. Commands are flat by construction. */
  readonly depthMax: number;
  /** Bytes before the LF of an inline command, simple string, error, double or big number. */
  readonly inlineBytesMax: number;
  /**
   * Memory that the decoder itself may hold for one command or reply: bulks that it allocates, and in replies what
   * values cost beyond their bytes (`respValueBytes`, `respObjectBytes`). Targets of the handler and discarded
   * bodies do not count.
   */
  readonly totalBytesMax: number;
}

/** Charged for each value that is not an aggregate: its slot in a growing array, and a boxed number. */
export const respValueBytes = 32;

/** Charged for each aggregate and each bulk the decoder allocates: an array's first 17 slots, or a Buffer object. */
export const respObjectBytes = 160;

const KiB = 1024;
const MiB = 1024 * KiB;

/** Largest payload of one bulk is 16 MiB; 64 KiB more leave room for headers that are packed with it. */
const bulkBytesMax = 16 * MiB + 64 * KiB;

/** A node, towards clients that have shown a token. */
export const commandLimits: RespLimits = {
  arrayLengthMax: 65_536,
  bulkBytesMax,
  depthMax: 1,
  inlineBytesMax: 64 * KiB,
  totalBytesMax: 32 * MiB,
};

/** A node, towards anybody: enough for HELLO and AUTH. The counts are those of Redis. */
export const unauthenticatedCommandLimits: RespLimits = {
  arrayLengthMax: 10,
  bulkBytesMax: 16 * KiB,
  depthMax: 1,
  inlineBytesMax: 4 * KiB,
  totalBytesMax: 64 * KiB,
};

/** A client, towards a node that it trusts to be one, but not to be free of bugs. */
export const replyLimits: RespLimits = {
  arrayLengthMax: 1_048_576,
  bulkBytesMax,
  depthMax: 8,
  inlineBytesMax: 64 * KiB,
  totalBytesMax: 128 * MiB,
};
