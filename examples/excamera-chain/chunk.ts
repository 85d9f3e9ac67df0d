/**
 * What a link of the chain does with its chunk of frames: first all that can be done alone, then what needs the state that its
 * neighbour ends with.
 *
 * What comes out is, bit for bit, what `encodeSerially` makes of all frames in one process, wherever the chunks are cut: the plan
 * of a frame depends on the pictures only, so that it is the same in both, and given the plan a coded frame is a function of the
 * state before it. A chunk knows the picture before its first frame, and so its plans; it does not know the state there. What it
 * encodes alone begins with a key frame instead. Rebasing codes again, with the same plans, from the first frame to the first
 * that is the same either way: one that is a key frame by plan, or one after which both states are alike.
 */
import { type CodedFrame, type Coding, encodeFrame, type FramePlan, keyPlan, planFrame } from "./codec.ts";

export interface Chunk {
  readonly frames: readonly Uint8Array[];
  /** The picture before the first one; none at the begin of a film. */
  readonly before: Uint8Array | undefined;
}

export interface Alone {
  readonly plans: readonly FramePlan[];
  /** With a key frame in front, whatever was planned there. */
  readonly coded: readonly CodedFrame[];
  /** The first frame that stays as it is, whatever the state before the chunk is; the number of frames if none does. */
  readonly settledFrom: number;
}

export interface Rebased {
  readonly coded: readonly CodedFrame[];
  /** Frames that were coded again. */
  readonly again: number;
}

/** The plain encoder: one frame after the other. */
export function encodeSerially(coding: Coding, frames: readonly Uint8Array[]): CodedFrame[] {
  const coded: CodedFrame[] = [];
  for (const [index, frame] of frames.entries()) {
    const plan = planFrame(coding, frames[index - 1], frame);
    coded.push(encodeFrame(coding, plan, frame, coded[index - 1]?.state));
  }
  return coded;
}

/** A chunk that can be decoded by itself. */
export function encodeAlone(coding: Coding, { frames, before }: Chunk): Alone {
  const plans: FramePlan[] = [];
  const coded: CodedFrame[] = [];
  for (const [index, frame] of frames.entries()) {
    const plan = planFrame(coding, frames[index - 1] ?? before, frame);
    plans.push(plan);
    coded.push(encodeFrame(coding, index === 0 ? keyPlan(coding) : plan, frame, coded[index - 1]?.state));
  }
  const settledFrom = plans.findIndex(({ isKey }) => isKey);
  return { plans, coded, settledFrom: settledFrom === -1 ? frames.length : settledFrom };
}

/** The chunk as it is behind `state`. @param state what a decoder has before it; not looked at when nothing depends on it */
export function rebase(
  coding: Coding,
  { frames }: Chunk,
  { plans, coded, settledFrom }: Alone,
  state: Uint8Array | undefined,
): Rebased {
  const rebased: CodedFrame[] = [];
  for (let index = 0; index < settledFrom; index++) {
    const before = index === 0 ? state : rebased[index - 1]!.state;
    const frame = encodeFrame(coding, plans[index]!, frames[index]!, before);
    rebased.push(frame);
    if (Buffer.compare(frame.state, coded[index]!.state) === 0) break;
  }
  return { coded: [...rebased, ...coded.slice(rebased.length)], again: rebased.length };
}
