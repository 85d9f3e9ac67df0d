/** What a chain did, and where its time went. */
import type { Report } from "../command-line.ts";
import type { Coding } from "./codec.ts";
import { lumaPsnr } from "./frame.ts";
import type { LinkFacts } from "./link.ts";
import type { ChainResult } from "./run-chain.ts";
import { decodeStream } from "./stream.ts";

export interface ChainOutcome {
  readonly coding: Coding;
  readonly frames: readonly Uint8Array[];
  readonly result: ChainResult;
  /** From the first picture stored to the last chunk gathered. */
  readonly seconds: number;
  /** Undefined when it was not compared. */
  readonly isEqual: true | undefined;
}

/** Sums over the links, and of all time that functions took the share of exchange. */
export function timeShares(facts: readonly LinkFacts[]): {
  readonly encodeMs: number;
  readonly waitMs: number;
  readonly exchangeMs: number;
  readonly exchangeShare: number;
  readonly handOverP50Ms: number | undefined;
} {
  const sum = (of: (link: LinkFacts) => number): number => facts.reduce((total, link) => total + of(link), 0);
  const encodeMs = sum((link) => link.encodeMs);
  const waitMs = sum((link) => link.waitMs);
  const exchangeMs = sum((link) => link.exchangeMs);
  const handOvers = facts.flatMap(({ handOverMs }) => handOverMs ?? []).sort((a, b) => a - b);
  return {
    ...{ encodeMs, waitMs, exchangeMs, exchangeShare: exchangeMs / (encodeMs + waitMs + exchangeMs) },
    handOverP50Ms: handOvers[handOvers.length >> 1],
  };
}

export function chainReport({ coding, frames, result, seconds, isEqual }: ChainOutcome): Report {
  const { stream, facts } = result;
  const shares = timeShares(facts);
  const psnrDb = worstPsnr(coding, frames, stream);
  const sourceBytes = frames.reduce((sum, frame) => sum + frame.length, 0);
  const again = facts.reduce((sum, link) => sum + link.again, 0);
  const json = {
    ...{ width: coding.width, height: coding.height, step: coding.step },
    ...{
      frames: frames.length,
      links: facts.length,
      equalToSerial: isEqual ?? null,
      framesCodedAgain: again,
    },
    ...{ sourceBytes, codedBytes: stream.length, psnrDb, seconds, ...shares, byLink: facts },
  };
  const share = (ms: number): string =>
    `${((100 * ms) / (shares.encodeMs + shares.waitMs + shares.exchangeMs)).toFixed(1)} %`;
  const ms = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(1));
  const row = (link: LinkFacts, index: number): string =>
    [
      ...[index, link.frames, link.again, ms(link.encodeMs), ms(link.waitMs), ms(link.exchangeMs)],
      ms(link.handOverMs),
    ]
      .map((cell) => String(cell).padStart(13))
      .join("");
  const heads = ["LINK", "FRAMES", "AGAIN", "ENCODE ms", "WAIT ms", "EXCHANGE ms", "HAND-OVER"];
  const checked =
    isEqual === undefined ? "not compared with one process" : "the same, bit for bit, as one process makes";
  return {
    json,
    lines: [
      heads.map((head) => head.padStart(13)).join(""),
      ...facts.map(row),
      "",
      `${frames.length} frames of ${coding.width}x${coding.height} in ${seconds.toFixed(2)} s: ${checked}`,
      `${stream.length} of ${sourceBytes} bytes, ${psnrDb.toFixed(1)} dB at worst; ${again} frames coded again`,
      `time of functions: ${share(shares.encodeMs)} encoding, ${share(shares.waitMs)} waiting, ${share(shares.exchangeMs)} exchange`,
      `a state was handed over in ${ms(shares.handOverP50Ms)} ms (p50)`,
    ],
  };
}

/** Of all frames, decoded. */
function worstPsnr(coding: Coding, frames: readonly Uint8Array[], stream: Uint8Array): number {
  const each = [...decodeStream(stream)].map((decoded, index) => lumaPsnr(coding, frames[index]!, decoded));
  return Math.min(...each);
}
