/** redis-server as a peer: in memory only, one I/O thread, on a free port of 127.0.0.1. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  coresForBench,
  findProgram,
  freePort,
  type PinnedProcess,
  spawnPinned,
} from "../harness/processes.ts";
import type { Absent } from "../harness/report.ts";
import type { KvServer } from "./kv-store.ts";

export interface RedisServer extends KvServer {
  readonly port: number;
}

export interface RedisServerOptions {
  /** Port of its master; it is in step with it when it is ready. */
  readonly replicaOf?: number;
  /** On the cores of servers; true by default. */
  readonly isPinned?: boolean;
  /** Further arguments, like `["--maxmemory", "1gb"]`. */
  readonly args?: readonly string[];
}

const program = "redis-server";
const readyWithinMs = 15_000;

/** @throws Error when it does not serve within 15 s; it has been stopped then */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer | Absent> {
  if (findProgram(program) === undefined) {
    return { absent: `${program} is not installed; run: npm run install-peers` };
  }
  const dir = await mkdtemp(join(tmpdir(), "mayfly-redis-"));
  let server: PinnedProcess | undefined;
  const stop = async (): Promise<void> => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const port = await freePort();
    server = await spawnPinned({
      command: program,
      args: redisArguments(port, dir, options),
      cores: options.isPinned === false ? undefined : coresForBench()?.servers,
    });
    await server.line(/Ready to accept connections/, readyWithinMs);
    if (options.replicaOf !== undefined) await untilInStep(port);
    return { port, pids: [server.pid], target: { port }, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** A master and so many replicas, which are in step. The target is the master. */
export async function startReplicatedRedis(replicas: number): Promise<RedisServer | Absent> {
  const started: RedisServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  try {
    for (let index = 0; index <= replicas; index++) {
      const master = started[0];
      const server = await startRedisServer(
        master === undefined ? { args: replicatingArguments } : { replicaOf: master.port },
      );
      if ("absent" in server) return server;
      started.push(server);
    }
    const { port, target } = started[0]!;
    return { port, target, pids: started.flatMap(({ pids }) => pids), stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** Large values must not overrun the replicas' output buffers, which would cut the links in the middle of a sample. */
const replicatingArguments = [
  ...["--client-output-buffer-limit", "replica 0 0 0", "--repl-backlog-size", "64mb"],
  ...["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"],
];

function redisArguments(port: number, dir: string, { replicaOf, args = [] }: RedisServerOptions): string[] {
  return [
    ...["--bind", "127.0.0.1", "--port", String(port), "--dir", dir, "--daemonize", "no"],
    ...["--save", "", "--appendonly", "no", "--io-threads", "1"],
    ...(replicaOf === undefined ? [] : ["--replicaof", "127.0.0.1", String(replicaOf)]),
    ...args,
  ];
}

/** Resolves when the replica has loaded what its master had and follows it. */
async function untilInStep(port: number): Promise<void> {
  const untilMs = performance.now() + readyWithinMs;
  while (!(await replicationFacts(port)).includes("master_link_status:up")) {
    if (performance.now() > untilMs)
      throw new Error(`the Redis replica on port ${port} does not follow its master`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function replicationFacts(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    let text = "";
    socket.setEncoding("utf8").on("error", reject);
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("close", () => resolve(text));
    socket.end("INFO replication\r\nQUIT\r\n");
  });
}
