/** Command lines that need no fleet: help, and what is said when something is wrong. */
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { verbNames } from "../../src/cli/verbs.ts";
import { errorTable } from "../../src/errors.ts";
import { runInProcess } from "./run-in-process.ts";

async function listening(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end("220 hello\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

/** A port that nobody listens on. */
async function unusedPort(): Promise<number> {
  const { server, port } = await listening();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test("help lists every verb, and every verb has help", async () => {
  const { code, stdout, stderr } = await runInProcess(["--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const name of verbNames) {
    expect(stdout).toContain(`\n  ${name} `);
    const help = await runInProcess(["help", ...name.split(" ")]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain(`Usage: mayfly ${name}`);
    expect(await runInProcess([...name.split(" "), "--help"])).toEqual(help);
  }
});

test("without a verb help is what is said, and it is an error", async () => {
  const { stdout } = await runInProcess(["help"]);
  expect(await runInProcess([])).toMatchObject({ code: 2, stdout: "", stderr: stdout });
});

test("verbs of a group have help together", async () => {
  const { code, stdout } = await runInProcess(["job", "--help"]);
  expect(code).toBe(0);
  expect(stdout).toContain("mayfly job end JOB");
  expect((await runInProcess(["help", "job"])).stdout).toBe(stdout);
});

test("the version is that of the package", async () => {
  expect((await runInProcess(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
});

test.each([
  [["pit"], 'mayfly: there is no verb "pit"; did you mean: mayfly put'],
  [["frobnicate"], 'mayfly: there is no verb "frobnicate"; all of them: mayfly --help'],
  [["help", "statu"], 'mayfly: there is no verb "statu"; did you mean: mayfly status'],
  [["job"], 'mayfly: "job" alone is no verb; there are: mayfly job create, mayfly job ls'],
  [["job", "crate"], 'mayfly: there is no verb "job crate"; did you mean: mayfly job create'],
  [["put"], "mayfly put: KEY is missing; usage: mayfly put KEY [FILE|-]"],
  [["put", "k", "--memroy"], "mayfly put: there is no option --memroy; all of them: mayfly put --help"],
  [["ls", "--tickt", "x"], "mayfly ls: there is no option --tickt, did you mean --ticket"],
  [["ls"], "mayfly ls: no ticket, so no job to work on; set MAYFLY_TICKET or give --ticket"],
  [["put", "k", "--if-absent", "--if-version", "1.1"], "--if-absent and --if-version exclude one another"],
  [["put", "k", "--timeout", "1h"], "--timeout is 1h; it must be at least 1ms and at most 15m"],
  [["get", "k", "--range", "9-3"], '--range is "9-3"; it takes first and last byte'],
  [["rm"], "mayfly rm: nothing to delete; name keys, or --prefix PREFIX"],
  [["rm", "--prefix", ""], "--prefix is empty, which means all keys"],
  [["job", "end", "x"], 'mayfly job end: JOB is "x"; it takes a whole number from 1'],
  [["node", "--host", "0.0.0.0"], "--host is 0.0.0.0, at which nobody can reach this node"],
  [["controller", "--host", "0.0.0.0"], "add --advertise http://ADDRESS:7400"],
  [["controller", "--nodes", "2"], "2 nodes are to be started, and nobody said how large; add --memory SIZE"],
  [["controller", "--memory", "1GiB"], "add --nodes COUNT"],
  [["dev", "--nodes", "0"], '--nodes is "0"; it takes a whole number from 1 to 64'],
  [["bench", "codek"], 'there is no scenario "codek"; did you mean: mayfly bench codec'],
])("mayfly %j is a wrong command line", async (args, message) => {
  const { code, stdout, stderr } = await runInProcess(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
  expect(stderr).toMatch(/ \(INVALID_ARGUMENT\)\n$/);
  expect(stderr.split("\n")).toHaveLength(2);
});

test.each([
  [["put", "k", "/no/such/file"], "INPUT_INVALID", "/no/such/file cannot be read: no such file or directory"],
  [["put", "k", tmpdir()], "INPUT_INVALID", "is a directory"],
  [
    ["ls", "--ticket", "mf1.AQEB"],
    "INVALID_ARGUMENT",
    "this text is not a ticket (it was cut short or changed",
  ],
  [["ls", "--ticket", "hello"], "INVALID_ARGUMENT", "get one with: mayfly job create"],
  [["get", "mfr1.AAAA", "out"], "INVALID_ARGUMENT", "This ref is damaged"],
  [["status", "--controller", "localhost"], "INVALID_ARGUMENT", '"localhost" is no controller URL'],
  [["dev", "--memory", "1PiB"], "OUT_OF_MEMORY", "ask for less, like --memory "],
  [["node", "--memory", "1PiB"], "OUT_OF_MEMORY", "the process itself takes 64 MiB"],
  [
    ["controller", "--nodes", "3", "--memory", "1PiB"],
    "OUT_OF_MEMORY",
    "3 processes themselves take 192 MiB",
  ],
] as const)("mayfly %j fails with %s", async (args, errorCode, message) => {
  const failed = await runInProcess(args, { env: { MAYFLY_TICKET: "mf1." } });
  expect({ ...failed, stderr: "" }).toMatchObject({ code: 1, stdout: "", stderr: "" });
  expect(failed.stderr).toMatch(new RegExp(`^mayfly ${args[0]}: .* \\(${errorCode}\\)\n$`));
  expect(failed.stderr).toContain(message);
  const { code, stdout, stderr } = await runInProcess([...args, "--json"], {
    env: { MAYFLY_TICKET: "mf1." },
  });
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  const { error } = JSON.parse(stdout) as { error: { code: string; kind: string; message: string } };
  expect(error).toMatchObject({ code: errorCode, kind: errorTable[errorCode].kind });
  expect(error.message).toContain(message);
});

test("with --json a wrong command line is told as JSON too", async () => {
  const { code, stdout, stderr } = await runInProcess(["get", "k", "--json"]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
  const message = "--json describes a file that was written; name a FILE";
  expect(JSON.parse(stdout)).toEqual({ error: { code: "INVALID_ARGUMENT", kind: "invalid", message } });
});

test("a controller that is not there is told with how to start one", async () => {
  const url = `http://127.0.0.1:${await unusedPort()}`;
  for (const args of [["status"], ["job", "ls"], ["job", "create"], ["job", "end", "1"]]) {
    const { code, stderr } = await runInProcess(args, { env: { MAYFLY_CONTROLLER: url } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be reached \(ECONNREFUSED\).*`mayfly dev`.*\(CONTROLLER_UNREACHABLE\)\n$/);
    expect(stderr).toContain(url);
  }
});

test("something else at the controller's address is told so", async () => {
  const { port } = await listening();
  const { code, stderr } = await runInProcess(["status", "-c", `http://127.0.0.1:${port}`]);
  expect(code).toBe(1);
  expect(stderr).toContain(`127.0.0.1:${port}`);
});

test("a taken port is told with another that may be free", async () => {
  const { port } = await listening();
  for (const verb of ["dev", "controller"]) {
    const { code, stderr } = await runInProcess([verb, "--port", String(port)]);
    expect(code).toBe(1);
    expect(stderr).toContain(`port ${port}`);
    expect(stderr).toMatch(new RegExp(`mayfly ${verb} --port ${port + 1}.*\\(PORT_IN_USE\\)\n$`));
  }
});

test("MAYFLY_DEBUG shows where an error came from", async () => {
  const env = { MAYFLY_DEBUG: "1" };
  const { stderr } = await runInProcess(["put", "k", "/no/such/file"], { env });
  expect(stderr).toMatch(/\n {4}at .*input-file/);
  expect(stderr).toContain("caused by Error: ENOENT");
});

test("bench lists its scenarios", async () => {
  const { code, stdout } = await runInProcess(["bench", "--json"]);
  expect(code).toBe(0);
  const scenarios = JSON.parse(stdout) as { scenario: string }[];
  expect(scenarios.map(({ scenario }) => scenario)).toEqual(expect.arrayContaining(["codec", "records"]));
});
