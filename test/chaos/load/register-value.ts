import type { StoredOperation } from "../../history/no-loss.ts";
import type { LoadClient } from "./load-client.ts";

/** Reads a key whose value is its own name, as a counter's is. */
export function registerValue(
  client: LoadClient,
  key: string,
  timeoutMs: number,
): Promise<StoredOperation["result"]> {
  return client.call({
    ...{ key, timeoutMs, op: { kind: "get" } },
    run: async () => {
      const bytes = await client.job.get(key, { timeoutMs });
      return { kind: "value", value: Buffer.from(bytes).toString() };
    },
  });
}
