/** What the controller says of the fleet, read leniently: parts of it may be missing in other versions. */
import { MayflyError } from "../../src/errors.ts";

export interface FleetStatus {
  readonly nodes: readonly { readonly id: number; readonly state: string; readonly heartbeatAgeMs: number }[];
  /** `pending`: their primaries do not serve yet. */
  readonly rows: Readonly<Record<"total" | "full" | "withoutPrimary" | "pending", number>>;
  /** Objects that still have shards on nodes that are gone or going; undefined if the controller does not tell. */
  readonly objectsToMove: number | undefined;
}

const timeoutMs = 1500;

/** @throws if the controller is away, or does not answer in time */
export async function fetchStatus(controllerUrl: string): Promise<FleetStatus> {
  const response = await fetch(`${controllerUrl}/v1/status`, { signal: AbortSignal.timeout(timeoutMs) });
  // One that is starting answers, and does not know yet what it will know.
  if (!response.ok) throw new MayflyError("CONTROLLER_UNREACHABLE", `status ${response.status}`);
  return parseStatus(await response.json());
}

export function parseStatus(body: unknown): FleetStatus {
  const status = record(body);
  const rows = record(status["rows"]);
  const relocation = status["relocation"];
  return {
    nodes: (Array.isArray(status["nodes"]) ? (status["nodes"] as unknown[]) : []).map((entry) => {
      const node = record(entry);
      const heartbeatAgeMs = number(node["heartbeatAgeMs"]);
      return { id: number(node["id"]), state: String(node["state"]), heartbeatAgeMs };
    }),
    rows: {
      total: number(rows["total"]),
      full: number(rows["full"]),
      withoutPrimary: number(rows["withoutPrimary"]),
      pending: number(rows["pending"]),
    },
    objectsToMove: relocation === undefined ? undefined : number(record(relocation)["objects"]),
  };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** Asks a node to go. `unknown`: this controller cannot drain. */
export async function requestDrain(
  controllerUrl: string,
  node: number,
  deadlineMs: number,
): Promise<"accepted" | "refused" | "unknown"> {
  const response = await fetch(`${controllerUrl}/v1/nodes/${node}/drain`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ deadlineMs }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const body = record(await response.json().catch(() => undefined));
  if (response.ok) return "accepted";
  return response.status === 404 && body["code"] !== "NODE_UNKNOWN" ? "unknown" : "refused";
}
