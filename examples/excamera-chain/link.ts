/**
 * One link of the chain: encodes its chunk alone, takes the state of the link before, rebases, and hands on its own state as soon
 * as that is known. The state goes out first, so that a link whose chunk is stored has handed on for sure.
 */
import { type Alone, type Chunk, encodeAlone, rebase } from "./chunk.ts";
import type { CodedFrame, Coding } from "./codec.ts";
import { frameBytes } from "./frame.ts";
import { packState, type StateExchange, type StateMessage, unpackState } from "./state-exchange.ts";

export interface Link {
  readonly index: number;
  /** All of them. */
  readonly links: number;
  readonly coding: Coding;
  readonly chunk: Chunk;
  /** To wait for the state. */
  readonly timeoutMs: number;
}

/** In milliseconds. */
export interface LinkTimes {
  /** Planning, encoding alone, rebasing. */
  readonly encodeMs: number;
  /** For a state that its link had not begun to send. */
  readonly waitMs: number;
  /** Sending, and receiving from when both sides were ready. */
  readonly exchangeMs: number;
  /** From when the neighbour began to send, or from when this link was ready to take it, until it was here. */
  readonly handOverMs: number | undefined;
}

export interface LinkFacts extends LinkTimes {
  readonly frames: number;
  /** Frames that were coded again. */
  readonly again: number;
}

export interface LinkOutcome {
  readonly coded: readonly CodedFrame[];
  readonly facts: LinkFacts;
  /** Says that the message of the link before is not needed any more; to be called once the outcome is stored. */
  done(): Promise<void>;
}

/** @param now milliseconds since 1970, of a clock that all links share well enough to compare @throws what the exchange throws */
export async function runLink(link: Link, exchange: StateExchange, now: () => number): Promise<LinkOutcome> {
  const { index, coding, chunk } = link;
  const beganMs = now();
  const alone = encodeAlone(coding, chunk);
  let encodeMs = now() - beganMs;
  let exchangeMs = 0;
  const send = async (last: CodedFrame | undefined): Promise<void> => {
    if (last === undefined || index + 1 === link.links) return;
    const sentAtMs = now();
    await exchange.send(index + 1, packState(sentAtMs, last.state));
    exchangeMs += now() - sentAtMs;
  };
  const isSettled = alone.settledFrom < chunk.frames.length;
  // Behind a cut nothing depends on what comes from the neighbour: whoever waits for this link need not wait for that one.
  if (isSettled) await send(alone.coded.at(-1));
  const received = await receive(link, alone, exchange, now);
  const rebaseMs = now();
  const { coded, again } = rebase(coding, chunk, alone, received?.state);
  encodeMs += now() - rebaseMs;
  if (!isSettled) await send(coded.at(-1));
  const facts = {
    ...{ frames: chunk.frames.length, again, encodeMs, waitMs: received?.waitMs ?? 0 },
    ...{ exchangeMs: exchangeMs + (received?.handOverMs ?? 0), handOverMs: received?.handOverMs },
  };
  return { coded, facts, done: async () => await received?.message.done() };
}

interface Received {
  readonly message: StateMessage;
  readonly state: Uint8Array;
  readonly waitMs: number;
  readonly handOverMs: number;
}

async function receive(
  { index, coding, timeoutMs }: Link,
  { settledFrom }: Alone,
  exchange: StateExchange,
  now: () => number,
): Promise<Received | undefined> {
  if (settledFrom === 0) return undefined;
  const readyAtMs = now();
  const message = await exchange.receive(index, timeoutMs);
  const hereAtMs = now();
  const { sentAtMs, state } = unpackState(message.data, frameBytes(coding));
  // Clocks of two machines may differ by more than a hand-over takes.
  const beganMs = Math.min(hereAtMs, Math.max(readyAtMs, sentAtMs));
  return { message, state, waitMs: beganMs - readyAtMs, handOverMs: hereAtMs - beganMs };
}
