/** What the nodes have in the object store, by their last heartbeats. */
import type { SpillStatus, StoreRequests } from "../wire/control-api.ts";
import type { Fleet } from "./fleet.ts";
import { livingNodes } from "./fleet-state.ts";

/** Over all living nodes. */
export function sumSpills(fleet: Fleet, storeUrl: string): SpillStatus {
  const sum = {
    objects: 0,
    bytes: 0,
    spilledObjects: 0,
    spilledBytes: 0,
    readBackObjects: 0,
    readBackBytes: 0,
  };
  const requests = {
    ...{ puts: 0, gets: 0, heads: 0, lists: 0, deletes: 0 },
    ...{ bytesWritten: 0, bytesRead: 0, retries: 0, throttled: 0 },
  };
  const failing = new Set<string>();
  for (const { id } of livingNodes(fleet.state)) {
    const spill = fleet.vitals.node(id)?.report.spill;
    if (spill === undefined) continue;
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += spill[key];
    for (const key of Object.keys(requests) as (keyof StoreRequests)[])
      requests[key] += spill.requests?.[key] ?? 0;
    if (spill.failing !== undefined) failing.add(spill.failing);
  }
  return { storeUrl, ...sum, requests, failing: [...failing] };
}
