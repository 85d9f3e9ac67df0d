/** `mayfly dev` and the long-running verbs as processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { JobInfo, StatusReply } from "../../src/wire/control-api.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";
import { type Ended, type RunningMain, runMain, startMain } from "./run-main.ts";

interface Ready {
  readonly url: string;
  readonly ticket: string;
  readonly job: number;
  readonly nodes: number;
  readonly nodeMemoryBytes: number;
  readonly pids: readonly number[];
}

const small = ["--nodes", "1", "--memory", "32MiB"];

function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-dev-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

async function startDev(
  ...more: string[]
): Promise<{ dev: RunningMain; ready: Ready; env: Record<string, string> }> {
  const dev = startMain(["dev", "--port", "0", "--json", ...more]);
  const ready = JSON.parse(await dev.firstLine) as Ready;
  return { dev, ready, env: { MAYFLY_CONTROLLER: ready.url, MAYFLY_TICKET: ready.ticket } };
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("a fleet from start to end, every verb a process of its own", async () => {
  const dir = directory();
  const { dev, ready, env } = await startDev("--nodes", "3", "--memory", "200MiB");
  expect(ready).toMatchObject({ nodes: 3, nodeMemoryBytes: Math.floor((200 * 2 ** 20) / 3) });
  expect(ready.pids.every(lives)).toBe(true);
  const run = async (args: string[], input = ""): Promise<Ended> => {
    const ended = await runMain(args, { input, env });
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    return ended;
  };

  const created = await run(["job", "create", "--name", "mine"]);
  const [, ticket] = /^export MAYFLY_TICKET=(mf1\.[\w-]+)\n$/.exec(created.stdout)!;
  const bytes = "0123456789".repeat(50_000);
  await run(["put", "numbers", "--ticket", ticket!], bytes);
  await run(["get", "numbers", join(dir, "numbers"), "--ticket", ticket!]);
  expect(readFileSync(join(dir, "numbers"), "utf8")).toBe(bytes);
  expect((await run(["ls", "--ticket", ticket!])).stdout).toMatch(/488 KiB .* ref +numbers\n/);
  expect((await run(["ls"])).stdout).toBe("");
  await run(["rm", "numbers", "--ticket", ticket!]);
  const status = JSON.parse((await run(["status", "--json"])).stdout) as StatusReply;
  expect(status.nodes.map((node) => node.state)).toEqual(["active", "active", "active"]);
  const mine = status.jobs.find((job) => job.name === "mine")!;
  await run(["job", "end", String(mine.job)]);

  dev.child.kill("SIGTERM");
  expect(await dev.ended).toMatchObject({ code: 0, signal: null, stderr: "" });
  expect(ready.pids.filter(lives)).toEqual([]);
});

test("what it prints sets up a shell", async () => {
  const dev = startMain(["dev", "--port", "0", ...small]);
  await until("it is ready", async () => (await dev.firstLine) !== "");
  dev.child.kill("SIGINT");
  const { code, stdout, stderr } = await dev.ended;
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^export MAYFLY_CONTROLLER=http:\/\/127\.0\.0\.1:\d+\nexport MAYFLY_TICKET=mf1\.[\w-]+\n$/,
  );
  expect(stderr).toContain("A fleet of 1 node of 32 MiB serves at http://127.0.0.1:");
});

test("nodes do not outlive it when it is killed, and it tells when a node is", async () => {
  const { dev, ready } = await startDev("--nodes", "2", "--memory", "64MiB");
  const [first, ...others] = ready.pids;
  let said = "";
  dev.child.stderr.on("data", (text: string) => {
    said += text;
  });
  process.kill(first!, "SIGKILL");
  await until("it tells of the node", () => said.includes(`process ${first}, a node, has ended`));
  dev.child.kill("SIGKILL");
  await until("the others end", () => others.every((pid) => !lives(pid)));
});

test("with a journal jobs are numbered on, and those of before are over", async () => {
  const state = join(directory(), "state");
  const before = await startDev(...small, "--state", state);
  before.dev.child.kill("SIGTERM");
  await before.dev.ended;
  const { dev, ready, env } = await startDev(...small, "--state", state);
  expect(ready.job).toBe(before.ready.job + 1);
  const { stdout } = await runMain(["job", "ls", "--all", "--json"], { env });
  const jobs = JSON.parse(stdout) as JobInfo[];
  expect(jobs.map(({ job, state: now }) => [job, now])).toEqual([
    [before.ready.job, "ended"],
    [ready.job, "alive"],
  ]);
  expect(await runMain(["put", "k"], { env, input: "v" })).toMatchObject({ code: 0 });
  dev.child.kill("SIGTERM");
  expect((await dev.ended).code).toBe(0);
});

test("a controller and a node as processes make a fleet, and the node leaves it", async () => {
  const controller = startMain(["controller", "--port", "0", "--backups", "0"]);
  const { ready } = JSON.parse(await controller.firstLine) as { ready: { url: string; nodes: number } };
  expect(ready.nodes).toBe(0);
  const node = startMain(["node", "-c", ready.url, "--memory", "32MiB", "--zone", "attic"]);
  const joined = JSON.parse(await node.firstLine) as { ready: { node: number; port: number } };
  const env = { MAYFLY_CONTROLLER: ready.url };
  const nodes = async () => {
    const { stdout } = await runMain(["status", "--json"], { env });
    return (JSON.parse(stdout) as StatusReply).nodes;
  };
  expect(await nodes()).toMatchObject([
    {
      id: joined.ready.node,
      port: joined.ready.port,
      zone: "attic",
      limitBytes: 32 * 2 ** 20,
      state: "active",
    },
  ]);
  const taken = await runMain([
    "node",
    "-c",
    ready.url,
    "--port",
    String(joined.ready.port),
    "--memory",
    "32MiB",
  ]);
  expect(taken).toMatchObject({ code: 1, stderr: expect.stringMatching(/--port.*\(PORT_IN_USE\)\n$/) });
  node.child.kill("SIGTERM");
  expect((await node.ended).code).toBe(0);
  expect((await nodes()).filter((each) => each.state === "active")).toEqual([]);
  controller.child.kill("SIGTERM");
  expect((await controller.ended).code).toBe(0);
});

test("a node whose controller is away says so, tries on, and can be stopped meanwhile", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  const node = startMain(["node", "-c", `http://127.0.0.1:${port}`, "--memory", "32MiB"]);
  const said = new Promise<string>((resolve) => node.child.stderr.once("data", resolve));
  expect(await said).toMatch(/cannot be reached \(ECONNREFUSED\).*Trying for a minute/);
  // The signal may come before the node listens for it, and then ends it as any program.
  node.child.kill("SIGTERM");
  const { code, signal } = await node.ended;
  expect(code === 0 || signal === "SIGTERM").toBe(true);
});

test("an output that cannot be written is an error", async () => {
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  const child = spawn(process.execPath, [mainPath, "--help"], { stdio: ["ignore", full, "pipe"] });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  expect(code).toBe(1);
  expect(stderr).toBe(
    "mayfly: standard output cannot be written: no space is left on the device (OUTPUT_FAILED)\n",
  );
});
