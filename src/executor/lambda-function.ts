/** The side of the function on AWS Lambda: what is deployed, and called by `LambdaBackend`. */
import { connect } from "../../client/connect.ts";
import { MayflyError } from "../errors.ts";
import { isLambdaCall, payloadBytesMax } from "./lambda-call.ts";
import { type CallReply, errorReply, runCall } from "./run-call.ts";
import { WarmJobs } from "./warm-jobs.ts";

export interface LambdaHandlerOptions {
  /**
   * How the modules are loaded that handlers name, by their names: `{ "word-count": () => import("./word-count.js") }`. A
   * bundler then takes them along, and an instance loads only those that it is called for.
   */
  readonly modules: Readonly<Record<string, () => Promise<unknown>>>;
}

/** What Lambda calls; it never rejects, so that errors come back whole. */
export type LambdaHandler = (event: unknown) => Promise<CallReply>;

/**
 * The handler of a Lambda function that runs the functions of these modules for `createLambdaExecutor`:
 * `export const handler = createLambdaHandler({ modules })`. It connects with the ticket of the call, and a warm
 * instance stays connected.
 */
export function createLambdaHandler({ modules }: LambdaHandlerOptions): LambdaHandler {
  const jobs = new WarmJobs((ticket) => connect(ticket));
  return async (event) => {
    if (!isLambdaCall(event)) return errorReply(notACall());
    const { job, giveBack } = jobs.lend(event.ticket);
    try {
      const surroundings = {
        connect: () => job,
        load: (module: string) => load(modules, module),
        progress: () => undefined,
      };
      return await runCall(event, surroundings, fitting);
    } finally {
      giveBack();
    }
  };
}

async function load(modules: LambdaHandlerOptions["modules"], name: string): Promise<unknown> {
  if (Object.hasOwn(modules, name)) return await modules[name]!();
  const known = Object.keys(modules).join(", ");
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `The Lambda function has no module ${name}, only: ${known}. Add it to the modules of createLambdaHandler and deploy, or name one of those.`,
  );
}

/** Lambda would say of a larger one only that it failed. */
function fitting(reply: CallReply): CallReply {
  const bytes = Buffer.byteLength(JSON.stringify(reply));
  if (bytes <= payloadBytesMax) return reply;
  throw new MayflyError(
    "TOO_LARGE",
    `The function returned ${bytes} bytes of JSON; Lambda lets ${payloadBytesMax} pass. Put what is large into the store (job.put) and return its key.`,
  );
}

function notACall(): MayflyError {
  return new MayflyError(
    "INVALID_ARGUMENT",
    "This Lambda function takes calls of Mayfly's executor (createLambdaExecutor), with handler, event, attempt and ticket.",
  );
}
