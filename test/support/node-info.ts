/** What a cache node says of itself, asked over a socket of its own as any Redis client would. */
import net from "node:net";
import type { Address } from "../../src/placement/types.ts";

export interface NodeInfo {
  readonly pid: number;
  readonly nodeId: number;
  readonly usedBytes: number;
  readonly limitBytes: number;
  readonly waits: number;
  readonly shards: number;
  /** That have memory there. */
  readonly jobs: number;
}

/** Rejects when the node does not listen, or closes the connection before it has answered. */
export async function askNodeInfo({ host, port }: Address): Promise<NodeInfo> {
  const socket = net.connect({ host, port });
  socket.write("INFO\r\nQUIT\r\n");
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  const facts = new Map(text.split("\r\n").map((line) => [line.split(":")[0], line.split(":")[1]]));
  const number = (name: string): number => {
    const value = Number(facts.get(name) ?? Number.NaN);
    if (Number.isNaN(value)) throw new Error(`INFO of ${host}:${port} has no number ${name}:\n${text}`);
    return value;
  };
  return {
    pid: number("process_id"),
    nodeId: number("mayfly_node_id"),
    usedBytes: number("used_memory"),
    limitBytes: number("maxmemory"),
    waits: number("blocked_clients"),
    shards: number("mayfly_shards"),
    jobs: number("mayfly_jobs"),
  };
}
