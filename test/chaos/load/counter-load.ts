/** Counters made of compare-and-sets: read value and version, put the next one only over that version. */
import type { RegisterResult } from "../../history/register-model.ts";
import type { LoadClient } from "./load-client.ts";

const timeoutMs = 5000;
const counters = 6;
const pauseMs = 25;
const afterErrorMs = 100;

export async function runCounters(client: LoadClient): Promise<void> {
  while (!client.stopping()) {
    const key = `counter/${client.pick(counters)}`;
    const went = await increment(client, key);
    await client.pause(went ? pauseMs : afterErrorMs);
  }
}

/** False when a call had no outcome. */
async function increment(client: LoadClient, key: string): Promise<boolean> {
  const { job } = client;
  const found = await client.call({
    ...{ key, timeoutMs, op: { kind: "stat" } },
    run: async () => ({ kind: "version", version: (await job.stat(key, { timeoutMs })).version }),
  });
  if (found?.kind === "absent") return put(client, key, 1, undefined);
  if (found?.kind !== "version") return false;
  const { version } = found;
  const read = await client.call({
    ...{ key, timeoutMs, op: { kind: "get-at", version } },
    run: () => readAt(client, key, version),
  });
  if (read?.kind !== "value") return read !== undefined;
  return put(client, key, Number.parseInt(read.value, 10) + 1, version);
}

/** The value if the key is still at this version. */
async function readAt({ job }: LoadClient, key: string, version: string): Promise<RegisterResult> {
  const { ref, version: now } = await job.stat(key, { timeoutMs });
  if (now !== version) return { kind: "mismatch" };
  return { kind: "value", value: Buffer.from(await job.get(ref, { timeoutMs })).toString() };
}

/** Text of a counter: the count, and a number that no other value has. */
async function put(
  client: LoadClient,
  key: string,
  count: number,
  ifVersion: string | undefined,
): Promise<boolean> {
  const value = `${count} ${client.nextNumber()}`;
  const condition = ifVersion === undefined ? ({ ifAbsent: true } as const) : { ifVersion };
  const result = await client.call({
    ...{ key, timeoutMs, op: { kind: "put", value, ...condition } },
    run: async () => {
      const { version } = await client.job.put(key, value, { timeoutMs, ...condition });
      return { kind: "written", ...(version !== undefined && { version }) };
    },
  });
  return result !== undefined;
}
