/**
 * Runs this program again inside namespaces of its own: of processes, so that all that it started ends with it, kill -9
 * included; of mounts and, for partitions, of networks, so that nothing of them is ever left behind. Root is not needed
 * where a user may make namespaces.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";

export type Enclosure = "networks" | "processes" | "none";

const common = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
/** `ip netns` keeps its names in files; here they are nobody else's. */
const prepare = "mkdir -p /run/netns && mount -t tmpfs mayfly-chaos /run/netns";
const tryNetworks = `${prepare} && ip link set lo up && ip netns add probe && ip -n probe link set lo up && nsenter --net=/run/netns/probe true`;

/** The best enclosure that this machine allows, and the arguments of `unshare` for it. */
export function possibleEnclosure(wantNetworks: boolean): { kind: Enclosure; unshare: readonly string[] } {
  const root = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const networks = [...root, "--net", ...common];
  if (wantNetworks && succeeds("unshare", [...networks, "sh", "-c", tryNetworks])) {
    return { kind: "networks", unshare: networks };
  }
  const processes = [...root, ...common];
  if (succeeds("unshare", [...processes, "true"])) return { kind: "processes", unshare: processes };
  return { kind: "none", unshare: [] };
}

function succeeds(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore", timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

/** Set for the program inside; says which enclosure it is in. */
export const enclosureVariable = "MAYFLY_CHAOS_ENCLOSURE";

/**
 * Runs this program inside and gives its exit code. It ends when its standard input does, which happens on SIGINT and
 * SIGTERM, and when this process ends in whatever way.
 */
export async function runInside(kind: Enclosure, unshare: readonly string[]): Promise<number> {
  const script = `${kind === "networks" ? prepare : "true"} && ${kind === "networks" ? "ip link set lo up" : "true"} && exec "$@"`;
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn("unshare", [...unshare, "sh", "-c", script, "sh", ...self], {
    stdio: ["pipe", "inherit", "inherit"],
    env: { ...process.env, [enclosureVariable]: kind },
    // Ctrl-C is for this process, which tells the one inside; the nodes there are no business of the terminal.
    detached: true,
  });
  const end = (): void => void child.stdin.end();
  child.stdin.on("error", () => undefined);
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}
