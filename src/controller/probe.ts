/** Asks the operating system of a machine whether anything listens at an address. */
import { createConnection } from "node:net";
import type { Clock } from "../clock.ts";
import type { Address } from "../placement/types.ts";

/**
 * `refused`: the machine is there and no process listens, so the one that did has ended. `answers`: a process accepted.
 * `silent`: neither in time; nothing is known.
 */
export type ProbeResult = "refused" | "answers" | "silent";

export type Probe = (address: Address) => Promise<ProbeResult>;

const withinMs = 300;

export function createProbe(clock: Clock): Probe {
  return ({ host, port }) =>
    new Promise((resolve) => {
      const socket = createConnection({ host, port });
      const end = (result: ProbeResult): void => {
        cancel();
        socket.destroy();
        resolve(result);
      };
      const cancel = clock.after(withinMs, () => end("silent"), true);
      socket.once("connect", () => end("answers"));
      socket.on("error", (error) => {
        end("code" in error && error.code === "ECONNREFUSED" ? "refused" : "silent");
      });
    });
}
