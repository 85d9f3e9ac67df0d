import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import {
  coresForBench,
  cpuSecondsOf,
  findProgram,
  freePort,
  type PinnedProcess,
  parseCoreList,
  pinProcesses,
  type SpawnOptions,
  spawnPinned,
} from "../../../bench/harness/processes.ts";
import { isRunning } from "../../support/child-output.ts";
import { until } from "../../support/until.ts";

async function start(script: string, options: Partial<SpawnOptions> = {}): Promise<PinnedProcess> {
  const child = await spawnPinned({ command: process.execPath, args: ["-e", script], ...options });
  onTestFinished(() => child.stop());
  return child;
}

/** Runs until it is ended. */
const idle = "setInterval(() => {}, 1000); console.log('ready');";

test("a line is found whether it was said before or is said later, on either output", async () => {
  const child = await start("console.error('one'); process.once('message', () => console.log('two')); ", {
    ipc: true,
  });
  expect(await child.line(/^o/)).toBe("one");
  expect(await child.line(/one/)).toBe("one");
  const later = child.line(/two/);
  child.child.send("go on");
  expect(await later).toBe("two");
});

test("a process that ends before it said a line is reported with what it complained about", async () => {
  const child = await start("console.error('no room'); process.exitCode = 3;");
  await expect(child.line(/ready/)).rejects.toThrow(/exit code 3.*no room/s);
  await expect(child.exited).resolves.toBe("exit code 3");
});

test("a process that does not say the line in time is reported", async () => {
  const child = await start(idle);
  await expect(child.line(/never/, 1)).rejects.toThrow(/within 1 ms/);
});

test("a program that is not there cannot be started", async () => {
  await expect(spawnPinned({ command: "/no/such/program" })).rejects.toThrow("/no/such/program");
  await expect(spawnPinned({ command: "no-such-program" })).rejects.toThrow("no-such-program");
});

test("to stop ends the process, also for the second time", async () => {
  const child = await start(idle);
  await child.line(/ready/);
  await child.stop();
  await child.stop();
  expect(isRunning(child.pid)).toBe(false);
});

test.runIf(coresForBench())("a process runs on the cores that it was given, or is moved to", async () => {
  const { clients, servers } = coresForBench()!;
  expect(clients.filter((core) => servers.includes(core))).toEqual([]);
  const child = await start(idle, { cores: clients });
  await child.line(/ready/);
  const coresOf = async (): Promise<number[]> => {
    const asked = await spawnPinned({ command: "taskset", args: ["-cp", String(child.pid)] });
    return parseCoreList((await asked.line(/list/)).split(":").at(-1)!);
  };
  expect(await coresOf()).toEqual(clients);
  pinProcesses([child.pid], servers);
  expect(await coresOf()).toEqual(servers);
});

test.runIf(process.platform === "linux")("CPU time is that of the process, all threads", async () => {
  const child = await start(
    `const { Worker } = require("node:worker_threads");
     new Worker("const end = Date.now() + 100; while (Date.now() < end); setInterval(() => {}, 1000)", { eval: true });
     console.log("ready");`,
  );
  await child.line(/ready/);
  // Only the worker is busy.
  await until("its worker has worked", () => cpuSecondsOf([child.pid]) > 0.08);
  expect(cpuSecondsOf([child.pid, process.pid])).toBeGreaterThan(cpuSecondsOf([child.pid]));
  await child.stop();
  expect(cpuSecondsOf([child.pid])).toBeNaN();
});

test("lists of cores are read as taskset prints them", () => {
  expect(parseCoreList(" 0,2-4,9\n")).toEqual([0, 2, 3, 4, 9]);
  expect(parseCoreList("")).toEqual([]);
});

test("a free port can be listened on", async () => {
  const port = await freePort();
  const server = createServer().listen(port, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) =>
    connect(port, "127.0.0.1")
      .once("connect", resolve)
      .on("error", () => {})
      .unref(),
  );
  expect(server.listening).toBe(true);
});

test("programs are found on the PATH, and only there", async () => {
  const empty = await mkdtemp(join(tmpdir(), "mayfly-test-"));
  onTestFinished(() => rm(empty, { recursive: true }));
  const folder = process.execPath.slice(0, process.execPath.lastIndexOf("/"));
  expect(findProgram("node", `${empty}:${folder}`)).toBe(process.execPath);
  expect(findProgram("node", empty)).toBeUndefined();
});
