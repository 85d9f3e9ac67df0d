// Installs what the benchmarks measure Mayfly against, from package registries only; what is there already is left alone.
//
//     npm run install-peers [-- PEER...]
//
// Prints a table of peers, with the version of each or the reason why it is missing. Exit code 0 when all are there.
// The npm packages among the peers are development dependencies: `npm ci` has installed them.
// @ts-check
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { pyspark } from "./peers/pyspark.js";
import { s3Servers } from "./peers/s3-servers.js";

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {() => Promise<string> | string} install Installs it unless it is there, and tells its version; throws an Error that says what is missing
 */

/** Asked when a package is installed whether it may start its service: 101 is no. Debian's policy for every package. */
const servicePolicy = "/usr/sbin/policy-rc.d";
const installMs = 600_000;

/** Standard output of a program. @param {string} command @param {string[]} args */
function run(command, args) {
  return execFileSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: installMs,
  });
}

/** @param {string} command */
function isOnPath(command) {
  return (process.env["PATH"] ?? "").split(":").some((dir) => dir !== "" && existsSync(join(dir, command)));
}

/** The version of an installed Debian package, or undefined. @param {string} name */
function debianVersion(name) {
  const format = ["db:Status-Status", "Version"].map((field) => `\${${field}}`).join(" ");
  try {
    const [status, version] = run("dpkg-query", ["-W", "-f", format, name]).split(" ");
    return status === "installed" ? version : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} command @param {string[]} args */
function asRoot(command, args) {
  if (process.getuid?.() === 0) return run(command, args);
  if (!isOnPath("sudo")) throw new Error(`needs root; as root, run: ${[command, ...args].join(" ")}`);
  return run("sudo", ["-n", command, ...args]);
}

/** @param {string[]} args */
function aptGet(args) {
  asRoot("env", ["DEBIAN_FRONTEND=noninteractive", "apt-get", ...args]);
}

let listsAreNew = false;

/** @param {string} name of the package @param {string} [program] that does as well, wherever it is from */
function installDebian(name, program) {
  const found = debianVersion(name);
  if (found !== undefined) return found;
  if (program !== undefined && isOnPath(program)) return `${program} is on the PATH`;
  if (!isOnPath("apt-get")) throw new Error(`there is no apt-get here; install what Debian calls ${name}`);
  withoutServices(() => {
    const install = () => aptGet(["install", "-y", "--no-install-recommends", name]);
    try {
      install();
    } catch (thrown) {
      // The lists may be old, or there may be none yet.
      if (listsAreNew) throw thrown;
      aptGet(["update"]);
      listsAreNew = true;
      install();
    }
  });
  const version = debianVersion(name);
  if (version === undefined) throw new Error(`apt-get installed ${name}, but dpkg-query does not know it`);
  return version;
}

/** Debian starts a server when it is installed, which would take Redis's port and the machine's time. @param {() => void} work */
function withoutServices(work) {
  if (existsSync(servicePolicy)) return work();
  asRoot("sh", ["-c", `printf '#!/bin/sh\\nexit 101\\n' > ${servicePolicy} && chmod 755 ${servicePolicy}`]);
  try {
    work();
  } finally {
    asRoot("rm", ["-f", servicePolicy]);
  }
}

const require = createRequire(import.meta.url);

/** @param {string} name */
function npmVersion(name) {
  for (const dir of require.resolve.paths(name) ?? []) {
    const file = join(dir, name, "package.json");
    if (existsSync(file)) return String(JSON.parse(readFileSync(file, "utf8")).version);
  }
  throw new Error("the npm package is not installed; run: npm ci");
}

/** @type {readonly (readonly [name: string, program?: string])[]} */
const debianPackages = [
  ["redis-server", "redis-server"],
  ["redis-tools", "redis-benchmark"],
  ["libisal2"],
  ["util-linux", "taskset"],
  ["coreutils"],
  ["default-jre-headless", "java"],
];
const npmPackages = [
  "ioredis",
  "redis",
  "@aws-sdk/client-s3",
  "@duckdb/node-api",
  "autocannon",
  "koffi",
  "@subspace/reed-solomon-erasure.wasm",
];

/** @type {readonly Peer[]} */
const peers = [
  ...debianPackages.map(([name, program]) => ({ name, install: () => installDebian(name, program) })),
  ...npmPackages.map((name) => ({ name, install: () => npmVersion(name) })),
  ...s3Servers,
  pyspark,
];

/** The last line that a failed program wrote, which says why, or what was thrown. @param {unknown} thrown */
function reasonOf(thrown) {
  const written = thrown instanceof Error && "stderr" in thrown ? String(thrown.stderr).trim() : "";
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return (written || message).split("\n").at(-1);
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !peers.some((peer) => peer.name === name));
if (unknown.length > 0) {
  const all = peers.map((peer) => peer.name).join(", ");
  process.stderr.write(`install-peers: there is no peer ${unknown.join(", ")}; there are: ${all}\n`);
  process.exit(2);
}
const chosen = peers.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
// Whoever interrupts ends the program that is installing, too; what that one needed undone is undone first.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
const nameWidth = Math.max(...chosen.map(({ name }) => name.length));
for (const { name, install } of chosen) {
  let line;
  try {
    line = await install();
  } catch (thrown) {
    line = `MISSING: ${reasonOf(thrown)}`;
    process.exitCode = 1;
  }
  process.stdout.write(`${name.padEnd(nameWidth)}  ${line}\n`);
  await setImmediate();
}
