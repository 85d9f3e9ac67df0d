/** Many clients in one process that wait for all others at a barrier: `barrier-driver.js <{ticket, clients} as JSON>`. */
import { connect } from "../../client/connect.ts";
import { machineMs } from "../harness/operation-log.ts";
import { answerRequests } from "./answer-requests.ts";
import type { BarrierRelease, BarrierRequest } from "./exchange-messages.ts";

/** Longer than the slowest machine takes to let all arrive. */
const timeoutMs = 120_000;

await answerRequests<{ readonly ticket: string; readonly clients: number }, BarrierRequest>(
  async ({ ticket, clients }) => {
    const jobs = await Promise.all(Array.from({ length: clients }, () => connect(ticket)));
    let waiting: Promise<number>[] = [];
    return async ({ ask, name, parties, clients: count }): Promise<BarrierRelease | undefined> => {
      const wait = async (at: number): Promise<number> => {
        await jobs[at]!.barrier(name, parties).wait({ timeoutMs });
        return machineMs();
      };
      switch (ask) {
        case "arrive":
          waiting = Array.from({ length: count }, (_, at) => wait(at));
          for (const each of waiting) each.catch(() => undefined);
          return undefined;
        case "last": {
          const arrivedMs = machineMs();
          waiting.push(wait(clients - 1));
          return { arrivedMs, releasedMs: await Promise.all(waiting) };
        }
        case "released":
          return { arrivedMs: Number.NaN, releasedMs: await Promise.all(waiting) };
      }
    };
  },
);
