/** `mayfly node`: one cache node as a process. */
import { controllerOption, isWildcard, parsePort } from "./fleet-access.ts";
import { checkFreeMemory, freeMemoryBytes } from "./machine-memory.ts";
import { option, parseText } from "./option.ts";
import { parseBytes } from "./sizes.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

export const nodeVerb = defineVerb({
  name: "node",
  summary: "run a cache node that joins a fleet",
  usage: "",
  description:
    "Runs until SIGINT or SIGTERM, then leaves the fleet. When it serves it prints one line of JSON: " +
    '{"ready":{"node":3,"host":"127.0.0.1","port":40123}}.',
  options: {
    controller: controllerOption,
    memory: option({
      value: "SIZE",
      help: "memory for values and their index",
      parse: parseBytes,
      short: "m",
      default: "2GiB",
    }),
    host: option({
      value: "HOST",
      help: "address to listen on, and at which the others reach it",
      parse: parseReachableHost,
      default: "127.0.0.1",
    }),
    port: option({ value: "PORT", help: "0 takes a free one", parse: parsePort, short: "p", default: "0" }),
    zone: option({ value: "NAME", help: "failure domain, like eu-central-1a", parse: parseText }),
  },
  examples: [
    "mayfly node --memory 4GiB",
    "mayfly node --controller http://10.0.0.5:7400 --host 10.0.0.7 --port 7401 --zone a",
  ],
  async run({ options, note }) {
    const { controller, memory, host, port, zone } = options;
    checkFreeMemory(memory, 1, freeMemoryBytes(), (bytes) => `--memory ${bytes / 2 ** 20}MiB`);
    const { runCacheNode } = await import("../../cache-node/main.ts");
    await runCacheNode({
      ...{ controllerUrl: controller, memoryBytes: memory, host, port },
      // Joining is tried for a minute, which must not look like success.
      onControllerAway: ({ message }) => note(`${message} Trying for a minute.`),
      ...(zone !== undefined && { zone }),
    });
  },
});

function parseReachableHost(text: string, what: string): string {
  if (!isWildcard(text)) return text;
  throw new UsageError(`${what} is ${text}, at which nobody can reach this node; give its own address`);
}
