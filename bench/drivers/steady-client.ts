/** A client process of a steady load, as the scenario sees it. */
import { fileURLToPath } from "node:url";
import { type PinnedProcess, spawnPinned } from "../harness/processes.ts";
import type {
  CheckReply,
  FillReply,
  KeySet,
  LoadReply,
  LoadStream,
  SteadyReply,
  SteadyRequest,
} from "./steady-messages.ts";

export interface SteadyClient {
  readonly pid: number;
  fill(set: KeySet, outstanding: number): Promise<FillReply>;
  check(set: string, outstanding: number): Promise<CheckReply>;
  start(streams: readonly LoadStream[]): Promise<void>;
  /** Ends the load, not the process. */
  stopLoad(): Promise<LoadReply>;
  /** Ends the process. */
  stop(): Promise<void>;
}

type Answered<K extends SteadyReply["answer"]> = Extract<SteadyReply, { readonly answer: K }>;

/** To fill some GiB, or to end operations that wait for their deadlines. */
const answerWithinMs = 180_000;

/** Starts `steady-driver`; resolves when it has its ticket. @throws Error when it cannot; the signal's reason */
export async function startSteadyClient(ticket: string, signal: AbortSignal): Promise<SteadyClient> {
  const program = fileURLToPath(new URL("./steady-driver.js", import.meta.url));
  const client = await spawnPinned({ command: process.execPath, args: [program, ticket], ipc: true });
  const ask = async <K extends SteadyReply["answer"]>(
    kind: K,
    request?: SteadyRequest,
  ): Promise<Answered<K>> => {
    const answered = nextReply(client, signal);
    if (request !== undefined) client.child.send(request);
    const reply = await answered;
    if (reply.answer === "failed") throw new Error(`a client of the load failed: ${reply.why}`);
    if (reply.answer !== kind) throw new Error(`a client of the load answered ${reply.answer}, not ${kind}`);
    return reply as Answered<K>;
  };
  try {
    await ask("ready");
  } catch (thrown) {
    await client.stop();
    throw thrown;
  }
  return {
    pid: client.pid,
    fill: async (set, outstanding) => (await ask("filled", { ask: "fill", set, outstanding })).filled,
    check: async (set, outstanding) => (await ask("checked", { ask: "check", set, outstanding })).checked,
    start: async (streams) => void (await ask("started", { ask: "start", streams })),
    stopLoad: async () => (await ask("stopped", { ask: "stop" })).load,
    stop: () => client.stop(),
  };
}

/** @throws Error when the process ends, or says nothing for too long; the signal's reason */
function nextReply(client: PinnedProcess, signal: AbortSignal): Promise<SteadyReply> {
  const reply = new Promise<SteadyReply>((resolve, reject) => {
    const abort = (): void => end(() => reject(signal.reason));
    const hear = (message: unknown): void => end(() => resolve(message as SteadyReply));
    const late = (): void => end(() => reject(new Error(`a client did not answer in ${answerWithinMs} ms`)));
    const timer = setTimeout(late, answerWithinMs);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      client.child.off("message", hear);
      settle();
    };
    client.child.once("message", hear);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    void client.exited.then((how) =>
      end(() => reject(new Error(`a client of the load ended (${how}): ${client.complaints()}`))),
    );
  });
  // It may be rejected before anybody waits for it.
  reply.catch(() => undefined);
  return reply;
}
