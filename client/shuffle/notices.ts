/** Notices of committed outputs: told by who commits, or by who finds that another attempt was first. */
import { MayflyError } from "../../src/errors.ts";
import { type ObjectId, objectId } from "../../src/ids.ts";
import { rowOfTable } from "../../src/wire/queue.ts";
import { decodeRef, Ref } from "../../src/wire/ref.ts";
import { readCell } from "../cells.ts";
import { addMessage, dataOf, readMessages } from "../exchange/queue-calls.ts";
import type { Deadline } from "../transport/deadline.ts";
import {
  attemptName,
  decodeNotice,
  encodeNotice,
  type Notice,
  partitionsPerTable,
  readRow,
} from "./layout.ts";
import type { ShuffleKeys } from "./shuffle-keys.ts";

const nothing = new Uint8Array(0);
/** They are small, and a reader fetches the blocks of as many maps at once as it has notices of. */
const noticesPerRead = 1000;

/** Tells all readers, once, of an output that is committed. */
export async function tellOf(keys: ShuffleKeys, notice: Notice, deadline: Deadline): Promise<void> {
  const id = Buffer.from(attemptName(notice.map, notice.object));
  await addMessage(keys.notices, { id, name: id, data: encodeNotice(notice), limit: 0 }, deadline);
}

/** Tells of the output of a map that somebody else has committed; what its notice says is in its tables. */
export async function tellOfCommitted(keys: ShuffleKeys, map: number, deadline: Deadline): Promise<void> {
  const cell = await readCell(keys.context, keys.output(map), deadline);
  if (cell === undefined) return;
  const ref = cell.kind === "ref" ? new Ref({ ...decodeRef(cell.value), version: cell.version }) : undefined;
  const object = ref?.object ?? objectId(cell.value);
  const { runs, records } = await sumTables(keys, map, object, deadline);
  await tellOf(keys, { map, object, runs, records, ref }, deadline);
}

async function sumTables(
  keys: ShuffleKeys,
  map: number,
  object: ObjectId,
  deadline: Deadline,
): Promise<{ runs: number; records: number }> {
  const prefix = Buffer.from(`${attemptName(map, object)}/`);
  let [runs, records] = [0, 0];
  for (let first = 0; first < keys.partitions; first += partitionsPerTable) {
    const queue = keys.tables(first / partitionsPerTable);
    for (let after = 0; ; ) {
      const { messages, last, newest } = await readMessages(queue, after, prefix, false, deadline);
      for (const message of messages) {
        const table = await dataOf(queue, message, deadline);
        if (first === 0) runs += 1;
        for (let row = 0; row < partitionsPerTable; row++) {
          const bytes = rowOfTable(table, row);
          if (bytes !== undefined) records += readRow(bytes).records;
        }
      }
      if (last >= newest || last === after) break;
      after = last;
    }
  }
  return { runs, records };
}

/** Notices behind a number; with `waits` held back until there is one, or shortly before the deadline. */
export async function readNotices(
  keys: ShuffleKeys,
  after: number,
  waits: boolean,
  deadline: Deadline,
): Promise<{ readonly notices: readonly Notice[]; readonly last: number }> {
  const { notices: queue } = keys;
  const { messages, last } = await readMessages(queue, after, nothing, waits, deadline, noticesPerRead);
  const notices = await Promise.all(
    messages.map(async (message) => {
      const name = Buffer.from(message.name).toString();
      const notice = decodeNotice(name, await dataOf(queue, message, deadline));
      if (notice.map < keys.maps) return notice;
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `${queue.what} has an output of map ${notice.map}; whoever wrote it has more than ${keys.maps} maps.`,
      );
    }),
  );
  return { notices, last };
}
