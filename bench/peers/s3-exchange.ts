/**
 * States of a chain through S3, which has nothing to wait for: PUT, and GET again and again until it is there. The pause between
 * two GETs begins at 2 ms and grows by half each time up to 50 ms: shorter than is usual, since each GET costs money.
 */
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import type { StateExchange } from "../../examples/excamera-chain/state-exchange.ts";
import type { StoreTarget } from "./kv-store.ts";
import { openS3, s3StatusOf } from "./s3.ts";

const pauseMsFirst = 2;
const pauseMsMax = 50;
const pauseGrowth = 1.5;

export async function openS3Exchange(target: StoreTarget): Promise<(name: string) => StateExchange> {
  const store = await openS3(target);
  return (name) => ({
    async send(to, data) {
      await store.put(`${name}-${to}`, Buffer.from(data.buffer, data.byteOffset, data.length));
    },
    async receive(at, timeoutMs) {
      const untilMs = performance.now() + timeoutMs;
      for (let pauseMs = pauseMsFirst; ; pauseMs = Math.min(pauseMsMax, pauseMs * pauseGrowth)) {
        try {
          return { data: await store.get(`${name}-${at}`), done: async () => undefined };
        } catch (thrown) {
          if (s3StatusOf(thrown) !== 404) throw thrown;
        }
        if (performance.now() > untilMs)
          throw new Error(`no state came for link ${at} within ${timeoutMs} ms`);
        await setTimeout(pauseMs);
      }
    },
  });
}
