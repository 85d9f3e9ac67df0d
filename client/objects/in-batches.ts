import { checkDeadline, type Deadline } from "../transport/deadline.ts";
import { together } from "../transport/together.ts";

const batchBytesMax = 1024 * 1024;
const batchPiecesMax = 64;

/** Asks one node for pieces, many in a request, two requests at a time: the node sends one while the next one is on its way. */
export async function inBatches<T extends { readonly into: Uint8Array }>(
  pieces: readonly T[],
  deadline: Deadline,
  ask: (batch: readonly T[], deadline: Deadline) => Promise<void>,
): Promise<void> {
  const batches: T[][] = [];
  let bytes = 0;
  for (const piece of pieces) {
    const last = batches.at(-1);
    bytes += piece.into.length;
    if (last !== undefined && bytes <= batchBytesMax && last.length < batchPiecesMax) last.push(piece);
    else {
      batches.push([piece]);
      bytes = piece.into.length;
    }
  }
  let next = 0;
  const worker = async (part: Deadline): Promise<void> => {
    for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
      checkDeadline(part);
      await ask(batch, part);
    }
  };
  await together(deadline, (part) => [worker(part), worker(part)]);
}
