/** A worker of the shuffle scenario: `shuffle-driver.js <target as JSON>`. */
import { openShuffleStore, type ShuffleTarget } from "../peers/shuffle-store.ts";
import { answerRequests } from "./answer-requests.ts";
import type { ShuffleRequest } from "./shuffle-messages.ts";
import { createShuffleWork } from "./shuffle-work.ts";

await answerRequests<ShuffleTarget, ShuffleRequest>(async (target) =>
  createShuffleWork(await openShuffleStore(target)),
);
