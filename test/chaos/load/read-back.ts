/** Reads every key once more, after all faults are over, until each has given an answer. */

import type { LoadClient } from "./load-client.ts";
import type { Workload } from "./recorded.ts";
import { registerValue } from "./register-value.ts";
import { getValue } from "./values.ts";

const timeoutMs = 20_000;
const attempts = 3;
const atOnce = 8;

/** @param clientOf a client whose calls count as those of this workload */
export async function readBack(
  keys: readonly (readonly [Workload, string])[],
  clientOf: (workload: Workload) => LoadClient,
): Promise<void> {
  const left = [...keys];
  const worker = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [workload, key] = next;
      const client = clientOf(workload);
      for (let attempt = 0; attempt < attempts; attempt++) {
        const result =
          workload === "counter"
            ? await registerValue(client, key, timeoutMs)
            : await getValue(client, key, { timeoutMs });
        if (result !== undefined) break;
        await client.pause(500);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
