/** How much memory this machine, or the container around this process, can still give. */
import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { MayflyError } from "../errors.ts";
import { formatBytes } from "./sizes.ts";

/** Resident memory of a node process beside what it holds for jobs. */
export const nodeProcessBytes = 64 * 2 ** 20;

export type ReadText = (path: string) => string | undefined;

/** Bytes that can be had now: free memory and caches that the kernel would drop, within the limits of control groups. */
export function freeMemoryBytes(readText: ReadText = readTextIfAny, machineFreeBytes = freemem()): number {
  return Math.max(0, Math.min(machineFreeBytes, ...controlGroupRooms(readText)));
}

/** Bytes that this machine has, or that the control groups around this process may have at most. */
export function totalMemoryBytes(readText: ReadText = readTextIfAny, machineTotalBytes = totalmem()): number {
  return Math.min(machineTotalBytes, ...controlGroupLimits(readText));
}

/**
 * @param flagAdvice a command line, or what is to be given, for a size that fits
 * @throws MayflyError OUT_OF_MEMORY when `wantedBytes` and `processes` node processes do not fit into what is free
 */
export function checkFreeMemory(
  wantedBytes: number,
  processes: number,
  freeBytes: number,
  flagAdvice: (fittingBytes: number) => string,
): void {
  const ownBytes = processes * nodeProcessBytes;
  if (wantedBytes + ownBytes <= freeBytes) return;
  const mebibytes = Math.floor(((freeBytes - ownBytes) * 0.8) / 2 ** 20);
  const advice =
    mebibytes >= 8 * processes
      ? `ask for less, like ${flagAdvice(mebibytes * 2 ** 20)}`
      : "free some, or start fewer nodes";
  const own = `${processes === 1 ? "the process itself takes" : `${processes} processes themselves take`} ${formatBytes(ownBytes)}`;
  throw new MayflyError(
    "OUT_OF_MEMORY",
    `--memory ${formatBytes(wantedBytes)} is more than there is: ${formatBytes(freeBytes)} of memory are free here and ${own}; ${advice}`,
  );
}

interface ControlGroup {
  readonly dir: string;
  readonly version2: boolean;
}

/** Those that this process is in, as far as they can be seen. */
function controlGroups(readText: ReadText): ControlGroup[] {
  const groups: ControlGroup[] = [];
  for (const line of (readText("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const version2 = controllers === "";
    if (!version2 && !controllers.split(",").includes("memory")) continue;
    const root = version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    // Inside a container the path may be that of the host, while the container's own group is mounted as the root.
    for (const dir of new Set([`${root}${path === "/" ? "" : path}`, root])) groups.push({ dir, version2 });
  }
  return groups;
}

function controlGroupLimits(readText: ReadText): number[] {
  return controlGroups(readText)
    .map(({ dir, version2 }) => readText(`${dir}/${version2 ? "memory.max" : "memory.limit_in_bytes"}`))
    .map((text) => Number(text ?? Number.NaN))
    .filter(Number.isFinite);
}

/** What is left under the limit of each control group. */
function controlGroupRooms(readText: ReadText): number[] {
  const rooms = controlGroups(readText).map(({ dir, version2 }) =>
    version2
      ? roomOf(readText, `${dir}/memory.max`, `${dir}/memory.current`, `${dir}/memory.stat`)
      : roomOf(
          readText,
          `${dir}/memory.limit_in_bytes`,
          `${dir}/memory.usage_in_bytes`,
          `${dir}/memory.stat`,
        ),
  );
  return rooms.filter((room) => room !== undefined);
}

/** Limit less usage, where file pages that nobody has touched lately do not count: the kernel drops them first. */
function roomOf(
  readText: ReadText,
  limitPath: string,
  usagePath: string,
  statPath: string,
): number | undefined {
  // "max" for no limit is no number.
  const limitBytes = Number(readText(limitPath) ?? Number.NaN);
  const usedBytes = Number(readText(usagePath) ?? Number.NaN);
  if (!Number.isFinite(limitBytes) || !Number.isFinite(usedBytes)) return undefined;
  const inactive = /^(?:total_)?inactive_file (\d+)$/m.exec(readText(statPath) ?? "");
  return limitBytes - Math.max(0, usedBytes - Number(inactive?.[1] ?? 0));
}

function readTextIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
