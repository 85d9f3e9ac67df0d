/** Main file of a local function process: takes one call at a time, runs it, answers. Ends with its parent. */
import { connect } from "../../client/connect.ts";
import type { Job } from "../../client/job.ts";
import { MayflyError } from "../errors.ts";
import type { FunctionCall } from "./backend.ts";
import type { FunctionContext, FunctionHandler } from "./executor.ts";
import type { ReplyMessage } from "./local-messages.ts";

let job: Job | undefined;

process.on("message", (message) => {
  void run(message as FunctionCall);
});
process.once("disconnect", () => process.exit(0));

async function run({ handler, event, attempt }: FunctionCall): Promise<void> {
  try {
    job ??= await connect();
    const context: FunctionContext = { job, attempt, progress: (progress) => answer({ progress }) };
    const module: unknown = await import(handler.module);
    const found = (module as Record<string, unknown>)[handler.name];
    if (typeof found !== "function") {
      throw new MayflyError("INVALID_ARGUMENT", `${handler.module} exports no function ${handler.name}.`);
    }
    const result = await (found as FunctionHandler)(event as never, context);
    answer({ result: result ?? null });
  } catch (thrown) {
    const { code, message, refs } = MayflyError.from(thrown);
    answer({ error: { code, message, refs } });
  }
}

function answer(message: ReplyMessage): void {
  if (process.connected) process.send?.(message);
}
