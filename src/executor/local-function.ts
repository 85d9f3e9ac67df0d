/** Main file of a local function process: takes one call at a time, runs it, answers. Ends with its parent. */
import { connect } from "../../client/connect.ts";
import type { Job } from "../../client/job.ts";
import type { FunctionCall } from "./backend.ts";
import type { ReplyMessage } from "./process-backend.ts";
import { type FunctionSurroundings, runCall } from "./run-call.ts";

let job: Job | undefined;

const surroundings: FunctionSurroundings = {
  async connect() {
    job ??= await connect();
    return job;
  },
  load: (module) => import(module),
  progress: (progress) => answer({ progress }),
};

process.on("message", (message) => {
  void runCall(message as FunctionCall, surroundings, answer);
});
process.once("disconnect", () => process.exit(0));

function answer(message: ReplyMessage): void {
  if (process.connected) process.send?.(message);
}
