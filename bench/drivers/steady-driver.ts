/**
 * A client process of a steady load: `steady-driver.js <ticket>`, started with an IPC channel. It does what it is asked,
 * one request after another, and ends with its parent.
 */
import { connect } from "../../client/connect.ts";
import { createSteadyLoad, type SteadyLoad } from "./steady-load.ts";
import type { SteadyReply, SteadyRequest } from "./steady-messages.ts";

function tell(reply: SteadyReply): void {
  if (process.connected) process.send?.(reply);
}

const fail = (thrown: unknown): void => {
  const why = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  tell({ answer: "failed", why });
};

async function answer(load: SteadyLoad, request: SteadyRequest): Promise<SteadyReply> {
  switch (request.ask) {
    case "fill":
      return { answer: "filled", filled: await load.fill(request.set, request.outstanding) };
    case "check":
      return { answer: "checked", checked: await load.check(request.set, request.outstanding) };
    case "start":
      load.start(request.streams);
      return { answer: "started" };
    case "stop":
      return { answer: "stopped", load: await load.stop() };
  }
}

process.once("disconnect", () => process.exit(0));
try {
  const load = createSteadyLoad(await connect(process.argv[2] ?? ""));
  let last: Promise<void> = Promise.resolve();
  process.on("message", (request: SteadyRequest) => {
    last = last.then(async () => tell(await answer(load, request))).catch(fail);
  });
  tell({ answer: "ready" });
} catch (thrown) {
  fail(thrown);
}
