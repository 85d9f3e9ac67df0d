/** The script as a process, on a system that the test makes: a PATH with nothing else on it. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, onTestFinished, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/install-peers.js", import.meta.url));
let bin = "";

beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), "mayfly-peers-"));
  onTestFinished(() => rmSync(bin, { recursive: true }));
  symlinkSync("/bin/sh", join(bin, "sh"));
});

function program(name: string, text: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

function install(...peers: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const options = { env: { PATH: bin } };
    execFile(process.execPath, [script, ...peers], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

test("what is there is told with its version, and nothing is installed", async () => {
  program("dpkg-query", "printf 'installed 1.2-3'");
  program("apt-get", `echo "$@" >> ${join(bin, "called")}`);
  const { code, stdout } = await install("redis-server", "libisal2", "ioredis");
  const manifest = new URL("../../node_modules/ioredis/package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  expect(stdout).toBe(`redis-server  1.2-3\nlibisal2      1.2-3\nioredis       ${version}\n`);
  expect(code).toBe(0);
  expect(existsSync(join(bin, "called"))).toBe(false);
});

test("a package that was removed is not there", async () => {
  program("dpkg-query", "printf 'config-files 1.2-3'");
  const { code, stdout } = await install("libisal2");
  expect(stdout).toBe("libisal2  MISSING: there is no apt-get here; install what Debian calls libisal2\n");
  expect(code).toBe(1);
});

test("a program from elsewhere does as well, and one that is missing does not hide it", async () => {
  program("taskset", "");
  const { code, stdout } = await install("redis-server", "util-linux");
  expect(stdout).toBe(
    "redis-server  MISSING: there is no apt-get here; install what Debian calls redis-server\n" +
      "util-linux    taskset is on the PATH\n",
  );
  expect(code).toBe(1);
});

test("a peer that nobody knows is refused", async () => {
  const { code, stderr } = await install("redis-sevrer");
  expect(code).toBe(2);
  expect(stderr).toMatch(/there is no peer redis-sevrer; there are: redis-server, .*libisal2/);
});
