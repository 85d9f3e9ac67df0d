/** Reed-Solomon codes as values: which exist, how they are written, and which one a fleet of a size uses. */
import { MayflyError } from "../errors.ts";
import type { Code } from "./types.ts";

/** Parity shards a stripe may have: the codec's matrix is proven MDS only up to here. */
export const parityMax = 4;
/** With four parity shards the matrix [I ; 2^(kj)] is MDS for at most so many data shards. */
export const dataMaxWithFourParity = 21;
/** Data and parity shards of a stripe together: elements of GF(2^8) without zero. */
export const shardsMax = 255;

/** What is wrong with a code, or undefined when it can be used. */
export function codeFault(code: Code): string | undefined {
  const { d, p } = code;
  if (!Number.isInteger(d) || d < 1) return `it needs at least 1 data shard, not ${d}`;
  if (!Number.isInteger(p) || p < 0 || p > parityMax)
    return `it may have 0 to ${parityMax} parity shards, not ${p}`;
  if (d + p > shardsMax) return `it has ${d + p} shards, and a stripe has at most ${shardsMax}`;
  if (p === parityMax && d > dataMaxWithFourParity) {
    return `with ${parityMax} parity shards it may have at most ${dataMaxWithFourParity} data shards, not ${d}`;
  }
  return undefined;
}

/** Returns the code as it is. @throws MayflyError INVALID_ARGUMENT when there is no such code. */
export function checkCode(code: Code): Code {
  const fault = codeFault(code);
  if (fault !== undefined) {
    throw new MayflyError("INVALID_ARGUMENT", `no code ${code.d}+${code.p}: ${fault}; use one like 4+2`);
  }
  return code;
}

/** "4+2" -> { d: 4, p: 2 }. @throws MayflyError INVALID_ARGUMENT */
export function parseCode(text: string): Code {
  const match = /^(\d{1,3})\+(\d{1,3})$/.exec(text);
  if (match === null) {
    const shown = JSON.stringify(text.slice(0, 40));
    throw new MayflyError("INVALID_ARGUMENT", `no code ${shown}: write data+parity shards, like 4+2 or 2+1`);
  }
  return checkCode({ d: Number(match[1]), p: Number(match[2]) });
}

/** { d: 4, p: 2 } -> "4+2" */
export function formatCode(code: Code): string {
  return `${code.d}+${code.p}`;
}

/**
 * The code of a job that did not ask for one (DESIGN 3): from 6 nodes on it leaves a spare node to repair onto, and
 * 3 to 5 nodes can at least lose one. On 2 nodes it is 1+1, on a single one 1+0: nothing survives there.
 */
export function defaultCode(nodeCount: number): Code {
  if (!Number.isInteger(nodeCount) || nodeCount < 1) throw new RangeError(`no fleet has ${nodeCount} nodes`);
  if (nodeCount >= 7) return { d: 4, p: 2 };
  if (nodeCount === 6) return { d: 4, p: 1 };
  if (nodeCount >= 3) return { d: nodeCount - 2, p: 1 };
  return { d: 1, p: nodeCount - 1 };
}
