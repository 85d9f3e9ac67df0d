// PySpark, which the sort benchmark measures against; scripts/install-peers.js asks for it. It comes from PyPI, into a
// folder of the cache, where bench/peers/pyspark-sort.ts looks for it; Java is a peer of its own.
// @ts-check
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Pinned: a benchmark names what it was measured against. */
const version = "4.3.0";
/** It has half a gigabyte. */
const installTimeoutMs = 30 * 60_000;

export const pyspark = { name: "pyspark", install };

/** Installs it unless it is there, and tells its version. Throws an Error that says what is missing. */
async function install() {
  const peers = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "mayfly-peers");
  const target = join(peers, `pyspark-${version}`);
  if (existsSync(target)) return version;
  // Made aside: what is cut off leaves nothing that looks installed.
  const building = join(peers, "building", `pyspark-${version}`);
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  try {
    const args = [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--no-compile",
      "--target",
      building,
      `pyspark==${version}`,
    ];
    await run("python3", args, { timeout: installTimeoutMs });
  } catch (thrown) {
    rmSync(building, { recursive: true, force: true });
    throw new Error(whyNot(thrown), { cause: thrown });
  }
  renameSync(building, target);
  return version;
}

/** @param {unknown} thrown */
function whyNot(thrown) {
  const error = /** @type {Error & { code?: unknown, stderr?: unknown }} */ (thrown);
  if (error.code === "ENOENT") return "it needs Python 3.10 or newer with pip; there is no python3 here";
  const said = String(error.stderr || error.message).trim();
  const lines = said.split("\n").filter((line) => !line.startsWith("WARNING"));
  return `pip cannot install pyspark ${version}: ${lines.at(-1) ?? said}`;
}
