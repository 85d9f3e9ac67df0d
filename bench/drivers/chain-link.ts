/** A link of the chain scenario, as a function: the same work over whatever exchange it is told to use. */
import { createHash } from "node:crypto";
import type { Coding } from "../../examples/excamera-chain/codec.ts";
import { type Film, framesOf, plateFile, readFilm } from "../../examples/excamera-chain/film.ts";
import { type LinkFacts, runLink } from "../../examples/excamera-chain/link.ts";
import { mayflyExchange, type StateExchange } from "../../examples/excamera-chain/state-exchange.ts";
import { packChunk } from "../../examples/excamera-chain/stream.ts";
import type { FunctionContext } from "../../src/executor/executor.ts";
import type { StoreTarget } from "../peers/kv-store.ts";

export type ExchangeName = "mayfly" | "redis" | "s3";

export interface ChainLinkEvent {
  readonly exchange: ExchangeName;
  readonly target: StoreTarget;
  /** Of this chain: none before had it. */
  readonly chain: string;
  readonly index: number;
  readonly links: number;
  readonly framesPerLink: number;
  readonly step: number;
  readonly timeoutMs: number;
}

export interface ChainLinkResult {
  readonly facts: LinkFacts;
  /** SHA-256 of the coded frames. */
  readonly digest: string;
  readonly pid: number;
}

/** Kept for the next call of this process, as a warm function would. */
let film: Promise<Film> | undefined;
const opened = new Map<ExchangeName, Promise<(name: string) => StateExchange>>();

/** Milliseconds of the machine's clock since it started, which all processes share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

export async function runChainLink(
  event: ChainLinkEvent,
  context: FunctionContext,
): Promise<ChainLinkResult> {
  film ??= readFilm(plateFile());
  const { width, height, frames } = await film;
  const coding: Coding = { width, height, step: event.step };
  const { index, links, framesPerLink, timeoutMs } = event;
  const first = index * framesPerLink;
  const all = framesOf({ width, height, frames }, first + framesPerLink);
  const chunk = { before: all[first - 1], frames: all.slice(first) };
  const exchange = (await exchangeOf(event, context))(event.chain);
  const { coded, facts, done } = await runLink({ index, links, coding, chunk, timeoutMs }, exchange, now);
  await done();
  return { facts, digest: digestOf(packChunk(coded)), pid: process.pid };
}

export function digestOf(chunk: Uint8Array): string {
  return createHash("sha256").update(chunk).digest("hex");
}

async function exchangeOf(
  { exchange, target }: ChainLinkEvent,
  { job }: FunctionContext,
): Promise<(name: string) => StateExchange> {
  const known = opened.get(exchange) ?? open(exchange, target, job);
  opened.set(exchange, known);
  return known;
}

async function open(
  exchange: ExchangeName,
  target: StoreTarget,
  job: FunctionContext["job"],
): Promise<(name: string) => StateExchange> {
  switch (exchange) {
    case "mayfly":
      return (name) => mayflyExchange(job, name);
    case "redis":
      return (await import("../peers/redis-exchange.ts")).openRedisExchange(target);
    case "s3":
      return (await import("../peers/s3-exchange.ts")).openS3Exchange(target);
  }
}
