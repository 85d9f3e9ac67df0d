/** The cells of the rows that this node leads, as relocation asks for them. */
import type { Group, JobNumber, ObjectId } from "../src/ids.ts";
import { groupCount } from "../src/placement/groups.ts";
import type { RelocationCells } from "./relocation/relocation-cells.ts";
import type { Replicas } from "./replicas.ts";

export function relocationCells({ rows, cells, primary }: Replicas): RelocationCells {
  return {
    *groups() {
      for (let group = 0 as Group; group < groupCount; group++) if (rows.serves(group)) yield group;
    },
    reads: (group) => rows.reads(group),
    refs: (group) => cells.refs(group),
    ref(job: JobNumber, group: Group, name: string) {
      const cell = cells.get(job, group, name);
      return cell?.kind === "ref" && cell.block !== undefined ? Buffer.from(cell.block.view()) : undefined;
    },
    relocate: (job, group, name, object: ObjectId, value) =>
      primary.relocate(job, group, name, object, value),
    abort: (job, group, object) => primary.abortObject(job, group, object),
  };
}
