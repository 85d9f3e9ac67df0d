import { type Deadline, leftMs } from "../transport/deadline.ts";

const answerMsMax = 1000;

/** What a node may take for the object store, so that its answer comes before the call is over. Whole milliseconds, at least 1. */
export function storeTimeoutMs(deadline: Deadline): number {
  const left = leftMs(deadline);
  return Math.max(1, Math.floor(left - Math.min(answerMsMax, left / 10)));
}
