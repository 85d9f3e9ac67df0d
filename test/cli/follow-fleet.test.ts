/** scale, drain and restart, on a controller that answers what it is told to. */
import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import type { NodeProgress, RestartProgress, ScaleProgress } from "../../src/wire/control-api.ts";
import { runInProcess } from "./run-in-process.ts";

let server: Server | undefined;
afterEach(() => void server?.close());

type Answer = { readonly status?: number; readonly body: unknown };

/** Answers requests one after the other; the last answer again and again. Returns what was asked, and how to run a verb. */
async function controllerThatSays(...answers: Answer[]) {
  const asked: string[] = [];
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      asked.push(`${request.method} ${request.url}${body === "" ? "" : ` ${body}`}`);
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
      response.writeHead(answer.status ?? 200, { "content-type": "application/json" });
      response.end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const env = { MAYFLY_CONTROLLER: `http://127.0.0.1:${port}` };
  return { asked, run: (...args: string[]) => runInProcess(args, { env }) };
}

const scale = (active: number, more: Partial<ScaleProgress> = {}): Answer => ({
  body: {
    ...{
      desired: 5,
      active,
      starting: 0,
      draining: 0,
      rowsMoving: 0,
      done: active === 5,
      blocked: false,
      reasons: [],
    },
    ...more,
  } satisfies ScaleProgress,
});
const drain = (state: NodeProgress["state"], more: Partial<NodeProgress> = {}): Answer => ({
  body: {
    node: 3,
    state,
    rowsLeft: 0,
    objectsLeft: 0,
    bytesLeft: 0,
    late: false,
    ...more,
  } satisfies NodeProgress,
});
const away: Answer = { status: 503, body: { code: "UNAVAILABLE", message: "the controller is starting" } };

test("scale follows the fleet until it has its size, also while the controller restarts", async () => {
  const { asked, run } = await controllerThatSays(scale(3, { starting: 2 }), away, scale(5));
  const { code, stdout, stderr } = await run("scale", "5");
  expect([code, stdout]).toEqual([0, ""]);
  expect(stderr).toBe("3 of 5 nodes, 2 starting\n5 of 5 nodes\nThe fleet has 5 nodes.\n");
  expect(asked).toEqual(['POST /v1/scale {"nodes":5}', "GET /v1/scale", "GET /v1/scale"]);
});

test("scale ends with an error when the fleet cannot get its size by itself", async () => {
  const reasons = ["node 4 cannot go: job 1 needs 4 nodes"];
  const { run } = await controllerThatSays(scale(4, { desired: 2, blocked: true, reasons }));
  const { code, stderr } = await run("scale", "2");
  expect(code).toBe(1);
  expect(stderr).toContain(
    "The fleet stays at 4 nodes instead of 2 for now: node 4 cannot go: job 1 needs 4 nodes",
  );
});

test("scale auto gives the size back to the autoscaler, and waits for nothing", async () => {
  const { asked, run } = await controllerThatSays(scale(5, { desired: 0, done: false, draining: 1 }));
  const { code, stderr } = await run("scale", "auto");
  expect([code, stderr]).toEqual([0, "The autoscaler decides how many nodes there are, now 5.\n"]);
  expect(asked).toEqual(['POST /v1/scale {"nodes":0}']);
});

test("with --json there is one line: how it ended", async () => {
  const { run } = await controllerThatSays(scale(4), scale(5));
  const { code, stdout, stderr } = await run("scale", "5", "--json");
  expect([code, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toEqual(scale(5).body);
});

test("drain follows a node until it is gone", async () => {
  const going = drain("draining", {
    rowsLeft: 12,
    objectsLeft: 3,
    bytesLeft: 2048,
    etaMs: 4000,
    deadlineLeftMs: 119_000,
  });
  const { asked, run } = await controllerThatSays(going, drain("drained", { etaMs: 0 }));
  const { code, stderr } = await run("drain", "3", "--deadline", "2m");
  expect(code).toBe(0);
  expect(stderr).toBe(
    "node 3: 12 rows and 3 objects (2 KiB) to move, ETA 4s, deadline in 1m 59s\nnode 3: drained\nNode 3 is drained and gone.\n",
  );
  expect(asked[0]).toBe('POST /v1/nodes/3/drain {"deadlineMs":120000}');
});

test("drain ends with an error when it is late, cancelled, refused, or the node dies", async () => {
  const late = await controllerThatSays(drain("draining"), drain("draining", { late: true }));
  expect(await late.run("drain", "3", "--deadline", "1s")).toMatchObject({
    ...{ code: 1, stderr: expect.stringContaining("mayfly drain 3 --cancel") },
  });
  server!.close();
  const cancelled = await controllerThatSays(drain("draining"), drain("active"));
  expect(await cancelled.run("drain", "3")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("was cancelled"),
  });
  server!.close();
  const refused = await controllerThatSays({
    status: 503,
    body: { code: "NOT_ENOUGH_NODES", message: "too few" },
  });
  expect(await refused.run("drain", "3")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("too few"),
  });
  server!.close();
  const dead = await controllerThatSays(drain("draining"), {
    status: 404,
    body: { code: "NODE_UNKNOWN", message: "gone" },
  });
  expect(await dead.run("drain", "3", "--json")).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("NODE_UNKNOWN"),
  });
});

test("drain --cancel makes a node active again", async () => {
  const { asked, run } = await controllerThatSays(drain("active"));
  expect(await run("drain", "3", "--cancel")).toMatchObject({ code: 0, stderr: "Node 3 is active.\n" });
  expect(asked).toEqual(["POST /v1/nodes/3/drain/cancel {}"]);
  expect(await run("drain", "3", "--cancel", "--deadline", "1m")).toMatchObject({ code: 2 });
  expect(await run("drain", "three")).toMatchObject({ code: 2 });
});

test("restart follows the nodes that are replaced, and says what to do meanwhile", async () => {
  const step = (left: number[], more: Partial<RestartProgress> = {}): Answer => ({
    body: {
      ...{ total: 2, left, draining: [], starting: 0, done: left.length === 0, reasons: [], ...more },
    } satisfies RestartProgress,
  });
  const reasons = ["1 more node is needed: mayfly node"];
  const { asked, run } = await controllerThatSays(step([1, 2], { draining: [1], reasons }), step([]));
  const { code, stderr } = await run("restart", "--rolling");
  expect(code).toBe(0);
  expect(stderr).toBe(
    "0 of 2 nodes replaced, node 1 draining, 1 more node is needed: mayfly node\n2 of 2 nodes replaced\n" +
      "All 2 nodes were replaced.\n",
  );
  expect(asked).toEqual(["POST /v1/restart {}", "GET /v1/restart"]);
  expect(await run("restart")).toMatchObject({ code: 2, stderr: expect.stringContaining("--rolling") });
});
