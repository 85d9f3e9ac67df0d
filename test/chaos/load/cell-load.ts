/** Small values on few keys: put, get, delete; and keys that everybody wants to be the first to put. */
import type { LoadClient } from "./load-client.ts";
import { deleteValue, getValue, putValue } from "./values.ts";

const timeoutMs = 5000;
const keys = 100;
const pauseMs = 12;
const afterErrorMs = 100;
const bytesMax = 16 * 1024;

export async function runCells(client: LoadClient): Promise<void> {
  while (!client.stopping()) {
    const key = `cell/${client.pick(keys)}`;
    const draw = client.rng.random();
    const result =
      draw < 0.42
        ? await putValue(client, { key, sizeBytes: cellBytes(client), timeoutMs })
        : draw < 0.9
          ? await getValue(client, key, { timeoutMs })
          : await deleteValue(client, key, timeoutMs);
    await client.pause(result === undefined ? afterErrorMs : pauseMs);
  }
}

/** Mostly small ones, and some of the largest that are still cells. */
function cellBytes({ rng, pick }: LoadClient): number {
  return rng.random() < 0.9 ? 16 + pick(1000) : 1000 + pick(bytesMax - 1000);
}

/** How long each key of the race is run for. */
const raceMs = 700;

export async function runOnce(client: LoadClient, nowMs: () => number): Promise<void> {
  while (!client.stopping()) {
    const key = `once/${Math.floor(nowMs() / raceMs)}`;
    const draw = client.rng.random();
    const result =
      draw < 0.5
        ? await putValue(client, { key, sizeBytes: 64, timeoutMs, ifAbsent: true })
        : draw < 0.9
          ? await getValue(client, key, { timeoutMs })
          : await deleteValue(client, key, timeoutMs);
    await client.pause(result === undefined ? afterErrorMs : 3 * pauseMs);
  }
}
