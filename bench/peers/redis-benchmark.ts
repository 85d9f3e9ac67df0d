/** redis-benchmark as a source of load, on the core of clients: what it prints, as figures. */
import { coresForBench, findProgram, spawnPinned } from "../harness/processes.ts";
import type { Figures } from "../harness/report.ts";

export interface RedisLoad {
  readonly command: "set" | "get";
  readonly valueBytes: number;
  readonly connections: number;
  /** Requests that a connection sends before it waits for their answers. */
  readonly pipelined: number;
  readonly requests: number;
  /** Keys are drawn from so many. */
  readonly keys: number;
}

export interface RedisTarget {
  readonly host: string;
  readonly port: number;
  /** For `AUTH user password`. */
  readonly user?: string;
  readonly password?: string;
}

const program = "redis-benchmark";

/** @throws Error when it is not there, when it fails, or prints what it does not print otherwise; the signal's reason */
export async function runRedisBenchmark(
  load: RedisLoad,
  target: RedisTarget,
  signal: AbortSignal,
): Promise<Figures> {
  if (findProgram(program) === undefined) {
    throw new Error(`${program} is not installed; run: npm run install-peers`);
  }
  signal.throwIfAborted();
  const run = await spawnPinned({
    command: program,
    args: redisBenchmarkArguments(load, target),
    cores: coresForBench()?.clients,
  });
  const stop = (): void => void run.stop();
  signal.addEventListener("abort", stop);
  let output = "";
  run.child.stdout?.on("data", (text: string) => {
    output += text;
  });
  try {
    const how = await run.exited;
    signal.throwIfAborted();
    if (how !== "exit code 0") throw new Error(`${program} ended with ${how}: ${run.complaints()}`);
    return parseRedisCsv(output);
  } finally {
    signal.removeEventListener("abort", stop);
    await run.stop();
  }
}

export function redisBenchmarkArguments(load: RedisLoad, target: RedisTarget): string[] {
  const { user, password } = target;
  return [
    ...["-h", target.host, "-p", String(target.port)],
    ...(user === undefined ? [] : ["--user", user]),
    ...(password === undefined ? [] : ["-a", password]),
    ...["-t", load.command, "-d", String(load.valueBytes), "-r", String(load.keys)],
    ...["-c", String(load.connections), "-P", String(load.pipelined), "-n", String(load.requests)],
    "--csv",
  ];
}

/** Columns of Redis 6.2 and newer; figures by the names that reports have. */
const columns = { rps: "opsPerSecond", p50_latency_ms: "p50Ms", p99_latency_ms: "p99Ms" } as const;

/** The only row of the table. @throws Error when there is none, or an error of the server instead */
export function parseRedisCsv(csv: string): Figures {
  const [head = [], row = []] = csv
    .split("\n")
    .filter((line) => line.startsWith('"'))
    .map((line) => line.trim().slice(1, -1).split('","'));
  const figures = Object.entries(columns).map(
    ([column, figure]) => [figure, Number(row[head.indexOf(column)])] as const,
  );
  if (figures.some(([, value]) => Number.isNaN(value))) {
    throw new Error(`${program} said something else: ${csv.slice(0, 500)}`);
  }
  return Object.fromEntries(figures);
}
