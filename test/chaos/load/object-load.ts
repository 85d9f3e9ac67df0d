/** Objects of 1 to 64 MiB: put, overwritten, deleted, read whole and in ranges. */
import { blockBytes } from "../../history/seeded-bytes.ts";
import type { LoadClient } from "./load-client.ts";
import { deleteValue, getValue, putValue } from "./values.ts";

const mebibyte = 2 ** 20;
const timeoutMs = 20_000;
const largeTimeoutMs = 40_000;
const keys = 12;
const pauseMs = 150;
const afterErrorMs = 300;

export async function runObjects(client: LoadClient): Promise<void> {
  const sizes = new Map<string, number>();
  while (!client.stopping()) {
    const isLarge = client.rng.random() < 0.04;
    const key = isLarge ? "object/large" : `object/${client.pick(keys)}`;
    const callMs = isLarge ? largeTimeoutMs : timeoutMs;
    const draw = client.rng.random();
    let result: unknown;
    if (draw < 0.4) {
      const sizeBytes = objectBytes(client, isLarge);
      sizes.set(key, sizeBytes);
      result = await putValue(client, { key, sizeBytes, timeoutMs: callMs });
    } else if (draw < 0.7) result = await getValue(client, key, { timeoutMs: callMs });
    else if (draw < 0.92) result = await readRange(client, key, callMs);
    else result = await deleteValue(client, key, callMs);
    await client.pause(result === undefined ? afterErrorMs : pauseMs);
  }
}

function objectBytes({ rng, pick }: LoadClient, isLarge: boolean): number {
  if (isLarge) return 64 * mebibyte - pick(1000);
  return mebibyte + pick((rng.random() < 0.75 ? 3 : 7) * mebibyte);
}

/** Somewhere in what every object has, so that no answer depends on which one is there. */
function readRange(client: LoadClient, key: string, callMs: number): Promise<unknown> {
  const start = client.pick(mebibyte / 2);
  const length = 2 * blockBytes + client.pick(mebibyte / 2 - 2 * blockBytes);
  return getValue(client, key, { timeoutMs: callMs, range: { start, end: start + length } });
}
