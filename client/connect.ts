import { systemClock, systemRng } from "../src/clock.ts";
import { MayflyError } from "../src/errors.ts";
import { jobNumber } from "../src/ids.ts";
import { decodeTicket } from "../src/placement/ticket.ts";
import type { Ticket } from "../src/placement/types.ts";
import type { ClientContext, OwnStore } from "./context.ts";
import { Job } from "./job.ts";
import type { JobController } from "./job-controller.ts";
import { Session } from "./session.ts";
import { StripeMemory, stripeMemoryBytesDefault } from "./stripe-memory.ts";
import { leftMs } from "./transport/deadline.ts";
import { FleetView } from "./transport/fleet-view.ts";
import { NodePool } from "./transport/node-pool.ts";

export interface ConnectOptions {
  /** Text form of a ticket, as `mayfly job create` prints it. */
  readonly ticket?: string;
  /** Instead of a ticket: the controller and a token of the job; the rest is asked there. */
  readonly url?: string;
  readonly token?: string;
  /** With `url` and `token`: checked against the token's job. */
  readonly job?: number;
  /** For coding and checksums; default 64 MiB, or an eighth of the function's memory when that is less. */
  readonly stripeMemoryBytes?: number;
  /**
   * The function's own access to the fleet's object store: what lies there is read directly, and through nodes where that fails.
   * Default MAYFLY_STORE; without either, through nodes.
   */
  readonly storeUrl?: string;
}

const stripeMemoryBytesMin = 8 * 1024 * 1024;
const stripeMemoryBytesMax = 4 * 1024 * 1024 * 1024;

/**
 * Connects to a job. Without arguments the ticket is taken from the environment variable MAYFLY_TICKET. With a ticket
 * nothing is sent before the first operation.
 * @throws MayflyError INVALID_ARGUMENT when there is no ticket or it is damaged; TOKEN_EXPIRED, CONTROLLER_UNREACHABLE
 */
export async function connect(options: ConnectOptions | string = {}): Promise<Job> {
  const given = typeof options === "string" ? { ticket: options } : options;
  const stripeMemoryBytes = given.stripeMemoryBytes ?? defaultStripeMemoryBytes();
  if (!(stripeMemoryBytes >= stripeMemoryBytesMin && stripeMemoryBytes <= stripeMemoryBytesMax)) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `stripeMemoryBytes is ${stripeMemoryBytes}; it must be from ${stripeMemoryBytesMin} (8 MiB) to ${stripeMemoryBytesMax} (4 GiB).`,
    );
  }
  return openJob(await ticketOf(given), stripeMemoryBytes, given.storeUrl ?? process.env["MAYFLY_STORE"]);
}

async function ticketOf(options: ConnectOptions): Promise<Ticket> {
  const { url, token, job } = options;
  if (url !== undefined && token !== undefined) {
    const { askTicket } = await import("./job-controller.ts");
    return decodeTicket(await askTicket(url, token, job));
  }
  const text = options.ticket ?? process.env["MAYFLY_TICKET"];
  if (text === undefined || text === "") {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "connect() needs a ticket: set MAYFLY_TICKET (`mayfly job create` prints one), or pass { ticket } or { url, token }.",
    );
  }
  return decodeTicket(text.trim());
}

/** Most functions never call the controller: what does it is loaded when one does. */
async function openController(url: string): Promise<JobController> {
  const { JobController } = await import("./job-controller.ts");
  return new JobController(url);
}

function defaultStripeMemoryBytes(): number {
  const functionBytes = Number(process.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] ?? Number.NaN) * 1024 * 1024;
  if (!(functionBytes > 0)) return stripeMemoryBytesDefault;
  return Math.max(stripeMemoryBytesMin, Math.min(stripeMemoryBytesDefault, functionBytes / 8));
}

function openJob(ticket: Ticket, stripeMemoryBytes: number, storeUrl: string | undefined): Job {
  const job = jobNumber(ticket.job);
  let controller: Promise<JobController> | undefined;
  const controllerOf = (): Promise<JobController> => {
    controller ??= openController(ticket.controllerUrl);
    return controller;
  };
  const view: FleetView = new FleetView({
    seeds: ticket.seeds,
    pool: () => pool,
    askController: async (after, deadline) =>
      (await controllerOf()).map(after, Math.max(1, Math.min(2000, leftMs(deadline)))),
  });
  const pool: NodePool = new NodePool({
    clock: systemClock,
    credentials: () => ({ user: String(ticket.job), token: ticket.token }),
    epoch: () => view.epoch,
    onMap: (encoded) => view.offer(encoded),
    onWaiting: () => view.watch(systemClock),
  });
  let memory: StripeMemory | undefined;
  const store: OwnStore = { url: storeUrl };
  const context: ClientContext = {
    clock: systemClock,
    rng: systemRng,
    job,
    code: ticket.code,
    pool,
    view,
    session: new Session(systemRng),
    memory: () => {
      memory ??= new StripeMemory(stripeMemoryBytes);
      return memory;
    },
    store,
  };
  return new Job(context, controllerOf, ticket.token, () => {
    pool.close();
    for (const opening of [controller, store.opened])
      void opening?.then((opened) => opened.close()).catch(() => undefined);
  });
}
