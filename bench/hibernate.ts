/** A fleet with 2 GB alive that goes to sleep in its object store, a folder here, and is woken by a read. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { connect } from "../client/connect.ts";
import { ControllerClient } from "../client/controller-client.ts";
import type { Job } from "../client/job.ts";
import { type EmbeddedFleet, startEmbeddedFleet } from "../src/embedded-fleet.ts";
import { describeMachine } from "./harness/machine.ts";
import { repeatCase } from "./harness/repeat-case.ts";
import { type BenchOptions, type BenchReport, type Figures, isWanted } from "./harness/report.ts";

const mebibyte = 1024 * 1024;
const nodes = 6;
const nodeMemoryBytes = 512 * mebibyte;
const code = { d: 4, p: 1 } as const;
const objectBytes = mebibyte;
const aliveBytes = 2e9;
const cellsPerObject = 5;
const outstanding = 8;
const sleepsWithinMs = 300_000;
const pollMs = 50;

/**
 * @param scale of the bytes alive: 1, or less for a look
 * @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then
 */
export async function benchHibernate(options: BenchOptions, scale = 1): Promise<BenchReport> {
  const machine = describeMachine();
  const name = "2 GB sleep and wake";
  const cases = [];
  if (isWanted(name, options)) {
    const sample = (): Promise<Figures> =>
      sleepAndWake(Math.ceil((aliveBytes * scale) / objectBytes), options);
    const largest = ["firstByteMs", "firstWriteMs"];
    const summed = ["wrongObjects", "wrongCells"];
    cases.push(await repeatCase({ case: name, compared: "firstByteMs", largest, summed, sample }, options));
  }
  return { scenario: "hibernate", machine, rounds: options.rounds, cases };
}

async function sleepAndWake(objects: number, { signal, log }: BenchOptions): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), "mayfly-hibernate-"));
  const opened: { close(): void }[] = [];
  let fleet: EmbeddedFleet | undefined;
  try {
    const durableUrl = pathToFileURL(folder).href;
    fleet = await startEmbeddedFleet({ nodes, nodeMemoryBytes, durableUrl });
    const controller = new ControllerClient(fleet.url);
    const { ticket } = await controller.createJob({ code, leaseMs: 3_600_000 });
    const job = await connect(ticket);
    opened.push(controller, job);
    const filled = await timed(() => fill(job, objects, signal));
    log(`${objects} objects and ${objects * cellsPerObject} cells after ${seconds(filled)}`);
    let storedBytes = 0;
    const slept = await timed(async () => {
      storedBytes = await fallAsleep(controller, signal);
    });
    log(`asleep after ${seconds(slept)}`);
    // Another function than the one that wrote, with nothing but its ticket: all of its seeds are gone.
    const late = await connect(ticket);
    opened.push(late);
    const first = await timed(async () => {
      const bytes = await late.get(objectName(0), { range: { start: 0, end: 1 } });
      if (bytes[0] !== objectAt(0)[0]) throw new Error("the first byte is another one");
    });
    const firstByteMs = first;
    const write = await timed(() => late.put("after", Buffer.from("awake")));
    log(`first byte after ${seconds(firstByteMs)}, first write ${seconds(write)} later`);
    let wrong = { wrongObjects: 0, wrongCells: 0 };
    const checked = await timed(async () => {
      wrong = await check(late, objects, signal);
    });
    return {
      ...{ firstByteMs, firstWriteMs: firstByteMs + write, sleepMs: slept },
      fillMbPerSecond: (objects * objectBytes) / 1e3 / filled,
      checkMbPerSecond: (objects * objectBytes) / 1e3 / checked,
      ...{ aliveGb: (objects * objectBytes) / 1e9, cells: objects * cellsPerObject, storedBytes },
      ...wrong,
    };
  } finally {
    for (const each of opened) each.close();
    await fleet?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function fill(job: Job, objects: number, signal: AbortSignal): Promise<void> {
  await eachOf(objects, signal, async (at) => {
    await job.put(objectName(at), objectAt(at));
    for (let cell = 0; cell < cellsPerObject; cell++) await job.put(cellName(at, cell), cellText(at, cell));
  });
}

/** What the cells take in the object store. Also ends when it stays awake: then with why. */
async function fallAsleep(controller: ControllerClient, signal: AbortSignal): Promise<number> {
  await controller.hibernate();
  for (const untilMs = performance.now() + sleepsWithinMs; ; ) {
    const { stage, reasons, storedBytes } = await controller.hibernationProgress();
    if (stage === "asleep") return storedBytes;
    if (stage === "awake" || performance.now() > untilMs) throw new Error(`${stage}: ${reasons.join("; ")}`);
    await sleep(pollMs, undefined, { signal });
  }
}

/** Compares every byte. */
async function check(
  job: Job,
  objects: number,
  signal: AbortSignal,
): Promise<{ wrongObjects: number; wrongCells: number }> {
  const wrong = { wrongObjects: 0, wrongCells: 0 };
  await eachOf(objects, signal, async (at) => {
    const found = await job.get(objectName(at));
    if (Buffer.compare(found, objectAt(at)) !== 0) wrong.wrongObjects += 1;
    for (let cell = 0; cell < cellsPerObject; cell++) {
      const text = Buffer.from(await job.get(cellName(at, cell))).toString();
      if (text !== cellText(at, cell)) wrong.wrongCells += 1;
    }
  });
  return wrong;
}

async function eachOf(count: number, signal: AbortSignal, act: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      signal.throwIfAborted();
      await act(next++);
    }
  };
  await Promise.all(Array.from({ length: outstanding }, worker));
}

const objectName = (at: number): string => `objects/${at}`;
const cellName = (at: number, cell: number): string => `cells/${at}/${cell}`;
const cellText = (at: number, cell: number): string => `cell ${cell} of object ${at} `.repeat(8);

/** No two objects, and no two pages of one, are alike. */
function objectAt(at: number): Uint8Array {
  const words = new Uint32Array(objectBytes / 4);
  for (let i = 0, state = at * 2_654_435_761 + 1; i < words.length; i++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i;
    words[i] = state;
  }
  return Buffer.from(words.buffer);
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await act();
  return performance.now() - beganMs;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
