/**
 * S3 servers that check signatures, as scripts/peers/s3-servers.js installs them. The peer is the fastest of those that
 * work on this machine. They keep their data in memory where there is a place for it.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { runLoad } from "../harness/load.ts";
import { coresForBench, freePort, type PinnedProcess, spawnPinned } from "../harness/processes.ts";
import type { Absent } from "../harness/report.ts";
import type { KvServer, StoreTarget } from "./kv-store.ts";
import type { S3Place } from "./shuffle-store.ts";

interface ServerPlace {
  readonly port: number;
  /** An empty folder, in memory if possible. */
  readonly dir: string;
  readonly access: string;
  readonly secret: string;
}

interface S3Program {
  readonly name: string;
  readonly args: (place: ServerPlace) => readonly string[];
  readonly env?: (place: ServerPlace) => NodeJS.ProcessEnv;
}

export interface S3Server extends KvServer {
  readonly name: string;
  /** The target by its fields. */
  readonly place: Omit<S3Place, "objects">;
}

/**
 * Of what the registries hold besides: `rclone serve s3` is half as fast as these, SeaweedFS's `weed` did not build by
 * `go install`, fauxqs takes any signature, moto takes any by default, s3rver corrupts what today's SDK sends.
 */
const programs: readonly S3Program[] = [
  {
    name: "versitygw",
    // Without --keep-alive it closes each connection; checksums instead of MD5 are the faster choice.
    args: ({ port, dir }) => [
      ...["--port", `127.0.0.1:${port}`, "--keep-alive", "--quiet"],
      ...["posix", "--data-integrity-etag", dir],
    ],
    env: ({ access, secret }) => ({ ROOT_ACCESS_KEY: access, ROOT_SECRET_KEY: secret }),
  },
  {
    name: "minio",
    args: ({ port, dir }) => ["server", dir, "--address", `127.0.0.1:${port}`, "--quiet"],
    env: ({ access, secret }) => ({
      ...{ MINIO_ROOT_USER: access, MINIO_ROOT_PASSWORD: secret },
      ...{ MINIO_BROWSER: "off", MINIO_UPDATE: "off", MINIO_CI_CD: "1" },
    }),
  },
];

const bucket = "mayfly-bench";
const readyWithinMs = 15_000;
const trial = { valueBytes: 1024 * 1024, outstanding: 16, durationMs: 1000 } as const;

/** Where scripts/peers/s3-servers.js puts what it installs. */
export function peersFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "mayfly-peers");
}

/**
 * @param log told which ones were tried, and how they did
 * @param isPinned on the cores of servers
 */
export async function startFastestS3Server(
  log: (line: string) => void,
  isPinned = true,
): Promise<S3Server | Absent> {
  const found: { readonly server: S3Server; readonly mbPerSecond: number }[] = [];
  const failures: string[] = [];
  for (const program of programs) {
    const path = join(peersFolder(), "bin", program.name);
    if (!existsSync(path)) {
      failures.push(`${program.name} is not installed`);
      continue;
    }
    try {
      found.push(await tryServer(program, path, isPinned));
    } catch (thrown) {
      failures.push(`${program.name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  }
  for (const failure of failures) log(`s3: ${failure}`);
  const [fastest, ...others] = found.toSorted((a, b) => b.mbPerSecond - a.mbPerSecond);
  await Promise.all(others.map(({ server }) => server.stop()));
  if (fastest === undefined) {
    return { absent: `no S3 server works (${failures.join("; ")}); run: npm run install-peers` };
  }
  const speeds = found.map(({ server, mbPerSecond }) => `${server.name} ${mbPerSecond.toFixed(0)} MB/s`);
  log(`s3: the peer is ${fastest.server.name} (put 1MiB x16 for a second: ${speeds.join(", ")})`);
  return fastest.server;
}

/** One of them by its name, with an empty bucket; absent, with the line to type, when it is not installed. */
export async function startS3Server(name: string, isPinned = true): Promise<S3Server | Absent> {
  const program = programs.find((each) => each.name === name);
  const path = join(peersFolder(), "bin", name);
  if (program === undefined || !existsSync(path)) {
    return { absent: `the S3 server ${name} is not installed; run: npm run install-peers -- ${name}` };
  }
  const server = await startServer(program, path, isPinned);
  try {
    const { createBucket } = await import("./s3.ts");
    await createBucket(server.target);
    return server;
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}

async function tryServer(
  program: S3Program,
  path: string,
  isPinned: boolean,
): Promise<{ server: S3Server; mbPerSecond: number }> {
  const server = await startServer(program, path, isPinned);
  try {
    const { createBucket } = await import("./s3.ts");
    await createBucket(server.target);
    await checkSignatures(server.target);
    return { server, mbPerSecond: await putSpeed(server.target) };
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}

async function startServer(program: S3Program, path: string, isPinned: boolean): Promise<S3Server> {
  const memory = "/dev/shm";
  const dir = await mkdtemp(join(existsSync(memory) ? memory : tmpdir(), "mayfly-s3-"));
  const secret = (): string => randomBytes(16).toString("hex");
  const place = { port: await freePort(), dir, access: secret(), secret: secret() };
  let server: PinnedProcess | undefined;
  const stop = async (): Promise<void> => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    server = await spawnPinned({
      command: path,
      args: program.args(place),
      env: { ...process.env, ...program.env?.(place) },
      cores: isPinned ? coresForBench()?.servers : undefined,
    });
    await untilAccepts(place.port, server);
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  const { access, port } = place;
  const target = { url: `http://127.0.0.1:${port}`, access, secret: place.secret, bucket };
  return { name: program.name, pids: [server.pid], target, place: target, stop };
}

async function untilAccepts(port: number, server: PinnedProcess): Promise<void> {
  let ended: string | undefined;
  void server.exited.then((how) => {
    ended = how;
  });
  const untilMs = performance.now() + readyWithinMs;
  while (!(await accepts(port))) {
    if (ended !== undefined) throw new Error(`it ended (${ended}): ${server.complaints()}`);
    if (performance.now() > untilMs) throw new Error(`it does not listen after ${readyWithinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** A server that takes any signature saves itself work that S3 has to do. @throws Error when it takes a wrong one */
async function checkSignatures(target: StoreTarget): Promise<void> {
  const { openS3, s3StatusOf } = await import("./s3.ts");
  const value = randomBytes(4096);
  const right = await openS3(target);
  const wrong = await openS3({ ...target, secret: randomBytes(16).toString("hex") });
  try {
    await right.put("checked", value);
    if (!value.equals(await right.get("checked"))) throw new Error("it reads other bytes than were written");
    const outcomes = await Promise.allSettled([wrong.put("checked", value), wrong.get("checked")]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected" && s3StatusOf(outcome.reason) === 403) continue;
      throw new Error("it does not refuse a request that is signed with a wrong secret");
    }
  } finally {
    await Promise.all([right.close(), wrong.close()]);
  }
}

/** MB/s of `trial`. */
async function putSpeed(target: StoreTarget): Promise<number> {
  const { openS3 } = await import("./s3.ts");
  const { valueBytes, ...load } = trial;
  const value = randomBytes(valueBytes);
  const store = await openS3(target);
  try {
    const { operations, seconds } = await runLoad({
      ...load,
      operation: (caller) => store.put(`trial/${caller}`, value),
    });
    return (operations * valueBytes) / seconds / 1e6;
  } finally {
    await store.close();
  }
}
