/** A client process of the kv scenario, seen from the scenario. */
import { fileURLToPath } from "node:url";
import { coresForBench, spawnPinned } from "../harness/processes.ts";
import type { StoreTarget } from "../peers/kv-store.ts";
import type { KvReply, KvSample, KvSampleRequest } from "./kv-messages.ts";

export interface KvClient {
  /** @throws Error when the operations fail, the bytes read are wrong, or the process ends */
  sample(request: KvSampleRequest): Promise<KvSample>;
  stop(): Promise<void>;
}

/** Filling the keys belongs to the first sample of a size. */
const answerWithinMs = 120_000;

/** Starts `kv-driver` on the core of clients; resolves when it has connected. @throws Error when it cannot */
export async function startKvClient(
  contender: string,
  target: StoreTarget,
  signal: AbortSignal,
): Promise<KvClient> {
  const program = fileURLToPath(new URL("./kv-driver.js", import.meta.url));
  const client = await spawnPinned({
    command: process.execPath,
    args: [program, contender, JSON.stringify(target)],
    cores: coresForBench()?.clients,
    ipc: true,
  });
  const answer = async (): Promise<KvReply> => {
    const done = new AbortController();
    const { promise, resolve, reject } = replyPromise();
    const timer = setTimeout(
      () => reject(new Error(`it did not answer in ${answerWithinMs} ms`)),
      answerWithinMs,
    );
    client.child.once("message", resolve);
    signal.addEventListener("abort", () => reject(signal.reason), { signal: done.signal });
    void client.exited.then((how) => reject(new Error(`it ended (${how}): ${client.complaints()}`)));
    // It may be rejected before, or after, anybody waits for it.
    promise.catch(() => undefined);
    try {
      signal.throwIfAborted();
      const reply = await promise;
      if ("failed" in reply) throw new Error(reply.failed);
      return reply;
    } catch (thrown) {
      signal.throwIfAborted();
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new Error(`the client of ${contender} failed: ${why}`, { cause: thrown });
    } finally {
      clearTimeout(timer);
      client.child.off("message", resolve);
      done.abort();
    }
  };
  try {
    await answer();
  } catch (thrown) {
    await client.stop();
    throw thrown;
  }
  return {
    async sample(request) {
      const answered = answer();
      client.child.send(request);
      const reply = await answered;
      if (!("sample" in reply)) throw new Error(`the client of ${contender} answered something else`);
      return reply.sample;
    },
    stop: () => client.stop(),
  };
}

function replyPromise(): {
  promise: Promise<KvReply>;
  resolve: (reply: KvReply) => void;
  reject: (reason: unknown) => void;
} {
  let resolve: (reply: KvReply) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<KvReply>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
