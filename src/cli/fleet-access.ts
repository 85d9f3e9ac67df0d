/** How verbs reach a fleet: the data of a job by its ticket, the controller by its URL. */
import type { ControllerClient } from "../../client/controller-client.ts";
import type { Job } from "../../client/job.ts";
import { option, parseCount, parseText } from "./option.ts";
import { parseDurationMs } from "./sizes.ts";
import { UsageError } from "./usage-error.ts";

export const controllerUrlDefault = "http://127.0.0.1:7400";

export const ticketOption = option({
  value: "TICKET",
  help: "the job to work on, as `mayfly dev` and `mayfly job create` print it",
  parse: parseText,
  short: "t",
  env: "MAYFLY_TICKET",
});

export const controllerOption = option({
  value: "URL",
  help: "the controller",
  parse: parseText,
  short: "c",
  env: "MAYFLY_CONTROLLER",
  default: controllerUrlDefault,
});

const timeoutMsMax = 15 * 60_000;

/** Time for the whole call; the SDK's limits. */
export const timeoutOption = option({
  value: "DURATION",
  help: "give up after so long, at most 15m",
  parse: (text, what) => {
    const ms = parseDurationMs(text, what);
    if (ms >= 1 && ms <= timeoutMsMax) return ms;
    throw new UsageError(`${what} is ${text}; it must be at least 1ms and at most 15m`);
  },
  defaultNote: "30s",
});

/** A port to listen on; 0 takes a free one. */
export const parsePort = parseCount(0, 65_535);

/** Addresses that mean "all of mine": fine to listen on, useless to connect to. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "[::]" || host === "";
}

/**
 * Runs `use` on the job of the ticket and closes the connections.
 * @throws UsageError without a ticket; MayflyError INVALID_ARGUMENT when it is damaged; what `use` throws
 */
export async function withJob<Result>(
  ticket: string | undefined,
  use: (job: Job) => Promise<Result>,
): Promise<Result> {
  if (ticket === undefined) {
    throw new UsageError(
      "no ticket, so no job to work on; set MAYFLY_TICKET or give --ticket. " +
        "`mayfly dev` prints one, and so does: mayfly job create",
    );
  }
  const { connect } = await import("../../client/connect.ts");
  const job = await connect({ ticket });
  try {
    return await use(job);
  } finally {
    job.close();
  }
}

/** Runs `use` on the controller's API and closes the connection. @throws MayflyError CONTROLLER_UNREACHABLE */
export async function withController<Result>(
  url: string,
  use: (controller: ControllerClient) => Promise<Result>,
): Promise<Result> {
  const { ControllerClient } = await import("../../client/controller-client.ts");
  const controller = new ControllerClient(url);
  try {
    return await use(controller);
  } finally {
    controller.close();
  }
}
