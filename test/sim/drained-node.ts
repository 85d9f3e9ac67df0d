/** What may not be when a drain is over. */
import type { NodeId } from "../../src/ids.ts";
import { decodeRef } from "../../src/wire/ref.ts";
import type { World } from "./world.ts";

/** The committed objects whose refs name a node, by all who certainly lead their groups now. */
export function objectsOn({ nodes, rowCount }: World, id: NodeId): string[] {
  const found: string[] = [];
  for (const { process, replicas } of nodes) {
    if (!process.alive || process.paused) continue;
    const { rows, cells, logs } = replicas;
    for (const group of Array.from({ length: rowCount }, (_, at) => at as Parameters<typeof rows.reads>[0])) {
      if (!rows.reads(group)) continue;
      for (const { job, name, value } of cells.refs(group)) {
        const position = cells.get(job, group, name)?.position ?? 0;
        const isCommitted = position <= logs.of(group).committed;
        const names = decodeRef(Buffer.from(value)).stripes?.some((placed) => placed.includes(id)) ?? false;
        if (isCommitted && names) found.push(`the ref at ${name}`);
      }
    }
  }
  return found;
}
