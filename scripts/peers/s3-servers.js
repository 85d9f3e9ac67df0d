// S3 servers that the benchmarks measure against, each with how it is installed; scripts/install-peers.js asks for them.
// They come from the Go module proxy and are built here, into `bin` of the cache folder, where
// bench/peers/s3-servers.ts looks for them. Only servers that check signatures count.
// @ts-check
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * @typedef {object} S3Server
 * @property {string} name as in the reports of the benchmarks
 * @property {() => Promise<string> | string} install
 *   Installs it unless it is there, and tells its version. Throws an Error whose message says what is missing and what to type.
 */

const run = promisify(execFile);
/** Building one takes minutes on a small machine. */
const buildTimeoutMs = 30 * 60_000;

const peersFolder = () => join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "mayfly-peers");

/** Command packages of Go, pinned: a benchmark names what it was measured against. */
const goServers = [
  { name: "versitygw", module: "github.com/versity/versitygw", command: "/cmd/versitygw", version: "v1.8.0" },
  {
    name: "minio",
    module: "github.com/minio/minio",
    command: "",
    version: "v0.0.0-20260212201848-7aac2a2c5b7c",
  },
];

/** @type {readonly S3Server[]} The fastest ones first. */
export const s3Servers = goServers.map((server) => ({ name: server.name, install: () => installGo(server) }));

/** @param {{ name: string, module: string, command: string, version: string }} server */
async function installGo({ name, module, command, version }) {
  const target = join(peersFolder(), "bin", name);
  if (existsSync(target) && (await moduleVersion(target)) === version) return version;
  const source = `${module}${command}@${version}`;
  // Built aside: a build that is cut off leaves nothing that looks installed.
  const building = join(peersFolder(), "building");
  mkdirSync(building, { recursive: true });
  mkdirSync(join(peersFolder(), "bin"), { recursive: true });
  try {
    const env = { ...process.env, GOBIN: building, CGO_ENABLED: "0" };
    await run("go", ["install", "-trimpath", source], { env, timeout: buildTimeoutMs });
  } catch (thrown) {
    throw new Error(whyNot(name, `go install ${source}`, thrown), { cause: thrown });
  }
  renameSync(join(building, name), target);
  return version;
}

/** The version that a binary of Go was built from; undefined when that cannot be told. @param {string} path */
async function moduleVersion(path) {
  try {
    const { stdout } = await run("go", ["version", "-m", path]);
    return /^\s*mod\s+\S+\s+(\S+)/m.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

/** @param {string} name @param {string} what @param {unknown} thrown */
function whyNot(name, what, thrown) {
  const error = /** @type {Error & { code?: unknown, stderr?: unknown }} */ (thrown);
  if (error.code === "ENOENT") {
    return `${name} is built by Go, which is not installed: see https://go.dev/dl/, then run: npm run install-peers`;
  }
  const said = String(error.stderr ?? error.message)
    .trim()
    .split("\n")
    .slice(-3)
    .join(" ");
  return `${name} cannot be built (${what}): ${said}`;
}
