/** put, get, ls, rm, job and status on a fleet of real nodes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedFleet, startEmbeddedFleet } from "../../src/embedded-fleet.ts";
import type { CreateJobReply, JobInfo, StatusReply } from "../../src/wire/control-api.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";
import { type CliResult, type CliWorld, runInProcess } from "./run-in-process.ts";
import { startMain } from "./run-main.ts";

let fleet: EmbeddedFleet;
let dir: string;
let env: Readonly<Record<string, string>>;
/** More than what lies in a cell, and no whole number of anything. */
const large = Buffer.from(Array.from({ length: 3_000_001 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "mayfly-cli-"));
  fleet = await startEmbeddedFleet({ nodes: 3, nodeMemoryBytes: 64 * 2 ** 20, mainPath, port: 0 });
  const created = await runInProcess(["job", "create", "--json"], { env: { MAYFLY_CONTROLLER: fleet.url } });
  const { ticket } = JSON.parse(created.stdout) as CreateJobReply;
  env = { MAYFLY_CONTROLLER: fleet.url, MAYFLY_TICKET: ticket };
});
afterAll(async () => {
  await fleet?.stop();
  rmSync(dir, { recursive: true });
});

async function run(args: readonly string[], world: CliWorld = {}): Promise<CliResult> {
  return runInProcess(args, { env, ...world });
}

/** Runs what must succeed. */
async function ok(args: readonly string[], world: CliWorld = {}): Promise<string> {
  const result = await run(args, world);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return result.stdout;
}

test("what is put from standard input is got to standard output, by key and by ref", async () => {
  const ref = (await ok(["put", "greeting"], { stdin: "hello\n" })).trim();
  expect(ref).toMatch(/^mfr1\.[\w-]+$/);
  expect(await ok(["get", "greeting"])).toBe("hello\n");
  expect(await ok(["get", ref, "-"])).toBe("hello\n");
  await ok(["put", "empty", "-"], { stdin: "" });
  expect(await ok(["get", "empty"])).toBe("");
});

test("a file goes in and comes out the same, whole and in ranges", async () => {
  const [input, output] = [join(dir, "in"), join(dir, "out")];
  writeFileSync(input, large);
  const put = JSON.parse(await ok(["put", "large", input, "--json"])) as Record<string, unknown>;
  expect(put).toMatchObject({
    key: "large",
    sizeBytes: large.length,
    version: expect.stringMatching(/^\d+\.\d+$/),
  });
  expect(JSON.parse(await ok(["get", "large", output, "--json"]))).toEqual({
    file: output,
    bytes: large.length,
  });
  expect(readFileSync(output).equals(large)).toBe(true);
  expect((await run(["get", String(put["ref"])])).stdoutBytes.equals(large)).toBe(true);
  for (const [range, start, end] of [
    ["0-0", 0, 1],
    ["16383-16385", 16383, 16386],
    ["2999990-", 2999990, large.length],
    ["2999990-9999999", 2999990, large.length],
  ] as const) {
    const { stdoutBytes } = await run(["get", "large", "--range", range]);
    expect(stdoutBytes.equals(large.subarray(start, end)), range).toBe(true);
  }
});

test("a key that holds nothing is told so, and the file stays as it was", async () => {
  const output = join(dir, "kept");
  writeFileSync(output, "old");
  expect(await run(["get", "nothing", output])).toMatchObject({
    ...{ code: 1, stdout: "" },
    stderr: expect.stringMatching(/^mayfly get: There is nothing at key "nothing".*\(NOT_FOUND\)\n$/),
  });
  expect(readFileSync(output, "utf8")).toBe("old");
  expect(await run(["rm", "greeting2", "nothing"])).toMatchObject({
    code: 1,
    stderr: 'mayfly rm: there is nothing at "greeting2", "nothing"; see: mayfly ls (NOT_FOUND)\n',
  });
  await ok(["rm", "nothing", "--force"]);
});

test("get can wait for a key", async () => {
  const waiting = ok(["get", "later", "--wait", "30s"]);
  await ok(["put", "later"], { stdin: "now" });
  expect(await waiting).toBe("now");
  const { code, stderr } = await run(["get", "never", "--wait", "50ms"]);
  expect(code).toBe(1);
  expect(stderr).toContain("did not appear within 50 ms");
});

test("conditions and expiry", async () => {
  const put = (...args: string[]) => run(["put", "cell", ...args, "--json"], { stdin: args.join() });
  const first = await put("--if-absent");
  expect(first.code).toBe(0);
  expect((await put("--if-absent")).stdout).toContain('"code":"KEY_EXISTS"');
  const { version } = JSON.parse(first.stdout) as { version: string };
  expect((await put("--if-version", version)).code).toBe(0);
  expect((await put("--if-version", version)).stdout).toContain('"code":"VERSION_MISMATCH"');
  expect((await put("--ttl", "1ms")).code).toBe(0);
  await until("the key expires", async () => (await run(["get", "cell"])).stderr.includes("(EXPIRED)"));
});

test("what is not text is not shown on a terminal, unless it must be", async () => {
  await ok(["put", "text"], { stdin: "grüße\n" });
  await ok(["put", "binary"], { stdin: Buffer.from([0, 1, 2, 255]) });
  expect(await ok(["get", "text"], { terminal: true })).toBe("grüße\n");
  expect(await run(["get", "binary"], { terminal: true })).toMatchObject({
    ...{ code: 1, stdout: "" },
    stderr: expect.stringContaining("write it to a file (mayfly get KEY FILE), pipe it on, or say --force"),
  });
  expect((await run(["get", "binary", "--force"], { terminal: true })).stdoutBytes).toEqual(
    Buffer.from([0, 1, 2, 255]),
  );
});

test("ls is in order and cannot be fooled by keys; rm takes what begins alike", async () => {
  for (const key of ["p/b", "p/a", "p/\x1b[2J", "q"]) await ok(["put", key], { stdin: key });
  const lines = (await ok(["ls", "p/"])).trimEnd().split("\n");
  expect(lines[0]).toMatch(/^\s*SIZE\s+VERSION\s+KIND\s+KEY$/);
  expect(lines.slice(1).map((line) => line.trim().split(/\s+/).at(-1))).toEqual(["p/\\x1b[2J", "p/a", "p/b"]);
  const listed = JSON.parse(await ok(["ls", "p/", "--json"])) as { key: string }[];
  expect(listed).toMatchObject([
    { key: "p/\x1b[2J", sizeBytes: 6, kind: "bytes", version: expect.stringMatching(/^\d+\.\d+$/) },
    { key: "p/a" },
    { key: "p/b" },
  ]);
  expect(JSON.parse(await ok(["rm", "--prefix", "p/", "--json"]))).toEqual({ deleted: 3 });
  expect(await run(["ls", "p/"])).toMatchObject({ code: 0, stdout: "", stderr: 'no keys begin with "p/"\n' });
  expect(JSON.parse(await ok(["ls", "q", "--json"]))).toHaveLength(1);
  expect(JSON.parse(await ok(["rm", "q", "--prefix", "q", "--json"]))).toEqual({ deleted: 1 });
});

test("a job is made as asked for, listed, extended, given tickets and ended", async () => {
  const asked = ["--name", "etl", "--code", "2+1", "--lease", "1h", "--grace", "0", "--quota", "1GiB"];
  const hints = ["--bytes", "100MB", "--rate", "10MB/s", "--functions", "9", "--prefer", "cost"];
  const { job } = JSON.parse(await ok(["job", "create", ...asked, ...hints, "--json"])) as CreateJobReply;
  expect(job).toMatchObject({
    ...{ name: "etl", code: { d: 2, p: 1 }, leaseMs: 3_600_000, graceMs: 0, quotaBytes: 2 ** 30 },
    hints: { bytes: 100e6, bytesPerSecond: 10e6, functions: 9, prefer: "cost" },
  });
  const number = String(job.job);
  expect(await ok(["job", "ls"])).toMatch(
    new RegExp(`^ *${number}  etl +alive  2\\+1 +0 B  1 GiB .*h?m?$`, "m"),
  );
  expect(await run(["job", "create", "--name", "etl"])).toMatchObject({ code: 1 });
  const ticket = await ok(["job", "ticket", number]);
  expect(ticket).toMatch(/^export MAYFLY_TICKET=mf1\.[\w-]+\n$/);
  const mine = { env: { ...env, MAYFLY_TICKET: ticket.trim().split("=")[1]! } };
  await ok(["put", "a"], { ...mine, stdin: "a" });
  await ok(["job", "extend", number]);
  await ok(["job", "end", number]);
  await until("nodes refuse it", async () => (await run(["get", "a"], mine)).stderr.includes("(JOB_ENDED)"));
  const jobs = async (...args: string[]) =>
    JSON.parse(await ok(["job", "ls", "--json", ...args])) as JobInfo[];
  expect((await jobs()).some((other) => other.job === job.job)).toBe(false);
  expect((await jobs("--all")).find((other) => other.job === job.job)?.state).toBe("ended");
  expect((await run(["job", "end", "4000000"])).stderr).toContain("(JOB_UNKNOWN)");
});

test("a ticket that has expired is told so", async () => {
  const created = await ok(["job", "create", "--token-ttl", "1s", "--json"]);
  const { ticket } = JSON.parse(created) as CreateJobReply;
  await until("the ticket expires", async () => {
    const { code, stderr } = await run(["put", "k", "--ticket", ticket], { stdin: "x" });
    return code === 1 && stderr.includes("(TOKEN_EXPIRED)");
  });
});

test("status shows nodes, jobs and what is survived", async () => {
  const text = await ok(["status"]);
  expect(text).toContain(`serving at ${fleet.url}`);
  expect(text).toMatch(/^ *NODE {2}ADDRESS .*\n( *\d+ {2}127\.0\.0\.1:\d+ .* active .*\n){3}\n/m);
  expect(text).toMatch(/^cells: .*survives/m);
  const status = JSON.parse(await ok(["status", "--json"])) as StatusReply;
  expect(status.nodes).toHaveLength(3);
});

test("a process ends quietly when its reader does, and by its deadline though its input goes on", async () => {
  await ok(["put", "streamed"], { stdin: Buffer.concat([large, large, large]) });
  const reading = startMain(["get", "streamed"], env);
  reading.child.stdout.once("data", () => reading.child.stdout.destroy());
  expect(await reading.ended).toMatchObject({ code: 0, stderr: "" });
  // The producer never ends.
  const writing = startMain(["put", "streamed", "--timeout", "500ms"], env);
  writing.child.stdin.write(large);
  expect((await writing.ended).stderr).toContain("(DEADLINE_EXCEEDED)");
});

test("a job's keys are made durable before it ends, where there is a store", async () => {
  const created = await run(["job", "create", "--json"]);
  const { ticket, job } = JSON.parse(created.stdout) as CreateJobReply;
  await ok(["put", "k", "-", "--ticket", ticket], { stdin: "v" });
  const refused = await run(["job", "end", String(job.job), "--persist", ""]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--store") });
  expect(await ok(["get", "k", "--ticket", ticket])).toBe("v");
  await ok(["job", "end", String(job.job)]);
});
