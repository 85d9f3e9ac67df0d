/**
 * The controller's HTTP API under autocannon, beside a bare `node:http` server that answers the same bytes: what the
 * framework, the checks of schemas and tokens, and the controller's own work cost. The controller keeps no journal.
 */
import { type AddressInfo, createServer, type Server } from "node:net";
import { ControllerClient } from "../client/controller-client.ts";
import { formatEpoch } from "../src/placement/epoch.ts";
import { decodeMap } from "../src/placement/map-codec.ts";
import { type HeartbeatRequest, idleHeartbeat, type RegisterNodeReply } from "../src/wire/control-api.ts";
import type { HttpLoad, HttpLoadResult, HttpStep } from "./drivers/http-load.ts";
import { runDriver } from "./drivers/run-driver.ts";
import { type Contender, measureCase } from "./harness/compare.ts";
import { describeMachine } from "./harness/machine.ts";
import { coresForBench, spawnPinned } from "./harness/processes.ts";
import { type BenchCase, type BenchOptions, type BenchReport, isWanted } from "./harness/report.ts";
import { mainPath } from "./harness/single-node.ts";
import { type HttpAnswers, startNodeHttp } from "./peers/node-http.ts";

interface ControllerCase {
  readonly name: string;
  /** About half a second. */
  readonly requests: number;
  readonly steps: readonly HttpStep[];
}

/** What the requests of the cases name. */
interface Subjects {
  readonly node: RegisterNodeReply;
  readonly heartbeat: HeartbeatRequest;
  readonly job: number;
  readonly token: string;
}

const nodes = 6;
const mebibyte = 1024 * 1024;
const nodeMemoryBytes = 512 * mebibyte;
const connections = 10;
const loadWithinMs = 60_000;
/** Registered nodes that no process stands behind: they live as long as the benchmark. */
const deadAfterMs = 600_000;

export function controllerCases({ node, heartbeat, job, token }: Subjects): ControllerCase[] {
  const beat: HttpStep = {
    ...{ method: "POST", path: `/v1/nodes/${node.nodeId}/heartbeat`, body: heartbeat },
    token: node.fleetToken,
  };
  return [
    { name: "health", requests: 5000, steps: [{ method: "GET", path: "/v1/health" }] },
    { name: "heartbeat", requests: 1500, steps: [beat] },
    { name: `map of ${nodes} nodes`, requests: 4000, steps: [{ method: "GET", path: "/v1/map" }] },
    {
      name: "ticket",
      requests: 2000,
      steps: [{ method: "POST", path: `/v1/jobs/${job}/ticket`, body: {} }],
    },
    { name: "own ticket", requests: 2000, steps: [{ method: "GET", path: "/v1/ticket", token }] },
    {
      name: "job create and end",
      requests: 1000,
      steps: [
        { method: "POST", path: "/v1/jobs", body: {} },
        { method: "DELETE", path: "/v1/jobs/{job}" },
      ],
    },
  ];
}

/** @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then */
export async function benchController(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  const controller = await spawnPinned({
    command: process.execPath,
    args: [
      ...[mainPath, "controller", "--port", "0"],
      ...["--nodes-initial", String(nodes), "--dead-after-ms", String(deadAfterMs)],
    ],
    cores: coresForBench()?.servers,
  });
  const listeners: Server[] = [];
  try {
    const { ready } = JSON.parse(await controller.line(/^\{"ready":/)) as { ready: { url: string } };
    for (let i = 0; i < nodes; i++) listeners.push(await listen());
    const ports = listeners.map((server) => (server.address() as AddressInfo).port);
    const subjects = await populate(ready.url, ports);
    for (const each of controllerCases(subjects).filter(({ name }) => isWanted(name, options))) {
      cases.push(await measureController(each, ready.url, options));
    }
  } finally {
    for (const server of listeners) server.close();
    await controller.stop();
  }
  return { scenario: "controller", machine, rounds: options.rounds, cases };
}

async function measureController(
  each: ControllerCase,
  url: string,
  options: BenchOptions,
): Promise<BenchCase> {
  const bare = await startNodeHttp(await answersOf(url, each.steps));
  try {
    const contenderOf = (server: string): Contender => ({
      async sample() {
        const request: HttpLoad = { url: server, connections, requests: each.requests, steps: each.steps };
        const run = { driver: "http-load", request, withinMs: loadWithinMs, signal: options.signal };
        return { ...((await runDriver({ ...run, cores: coresForBench()?.clients })) as HttpLoadResult) };
      },
    });
    return await measureCase(
      {
        ...{ case: each.name, compared: "requestsPerSecond", better: "higher", mayfly: contenderOf(url) },
        peers: { "node-http": contenderOf(bare.url) },
      },
      options,
    );
  } finally {
    await bare.stop();
  }
}

/** Where a node would listen: the controller tries the ports of nodes that are silent, and buries those that refuse. */
function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

/** Nodes and a job, as in a fleet that serves; all nodes have the map of now, without which no job begins. */
async function populate(url: string, ports: readonly number[]): Promise<Subjects> {
  const controller = new ControllerClient(url);
  try {
    const registered: RegisterNodeReply[] = [];
    for (const port of ports) {
      const address = { host: "127.0.0.1", port, pid: process.pid };
      registered.push(await controller.registerNode({ ...address, memoryBytes: nodeMemoryBytes }));
    }
    const map = await controller.map({ term: 0, n: 0 }, loadWithinMs);
    if (map === undefined) throw new Error("the controller has no map");
    const epoch = formatEpoch(decodeMap(map).epoch);
    const beat = (jobsVersion: number): HeartbeatRequest => ({
      ...{ ...idleHeartbeat, epoch, jobsVersion, limitBytes: nodeMemoryBytes },
      ...{ usedBytes: 100 * mebibyte, eventLoopUtilization: 0.5 },
    });
    for (const { nodeId, fleetToken } of registered) await controller.heartbeat(nodeId, beat(0), fleetToken);
    const { job, token } = await controller.createJob({ name: "bench-controller" });
    const [node] = registered as [RegisterNodeReply];
    const { jobs } = await controller.heartbeat(node.nodeId, beat(0), node.fleetToken);
    const busy = { activeJobs: [job.job], jobBytes: [{ job: job.job, bytes: 100 * mebibyte }] };
    return { node, heartbeat: { ...beat(jobs?.version ?? 0), ...busy }, job: job.job, token };
  } finally {
    controller.close();
  }
}

/** One pass through the steps, to learn what the controller answers. */
async function answersOf(url: string, steps: readonly HttpStep[]): Promise<HttpAnswers> {
  const answers: Record<string, HttpAnswers[string]> = {};
  let job = "";
  for (const { method, path, body, token } of steps) {
    const answer = await fetch(new URL(path.replace("{job}", job), url), {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (!answer.ok) throw new Error(`${method} ${path}: HTTP ${answer.status} ${bytes}`);
    const contentType = answer.headers.get("content-type") ?? "application/octet-stream";
    answers[method] = { contentType, base64: bytes.toString("base64") };
    if (steps.length > 1) {
      job = String((JSON.parse(bytes.toString()) as { job: { job?: number } }).job.job);
    }
  }
  return answers;
}
