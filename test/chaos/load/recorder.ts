/** Runs calls and records them: when they began and ended, what they did, whether they were late. */
import { type ErrorCode, MayflyError } from "../../../client/index.ts";
import type { StoredOperation } from "../../history/no-loss.ts";
import type { RegisterOp } from "../../history/register-model.ts";
import type { RecordedOperation, Workload } from "./recorded.ts";
import type { Standstills } from "./standstills.ts";

export interface Call {
  readonly workload: Workload;
  readonly client: string;
  readonly key: string;
  readonly op: RegisterOp;
  readonly timeoutMs: number;
  run(): Promise<NonNullable<StoredOperation["result"]>>;
  /** Of a wait: that nothing is there is said at the end of it, and not before. */
  readonly absentNotBeforeMs?: number;
}

/** Milliseconds of the clock that all processes of this machine share. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Errors that say what the key held. All others leave open whether a write took place. */
const writeResults = new Map<ErrorCode, NonNullable<StoredOperation["result"]>>([
  ["KEY_EXISTS", { kind: "exists" }],
  ["VERSION_MISMATCH", { kind: "mismatch" }],
]);
const readResults = new Map<ErrorCode, NonNullable<StoredOperation["result"]>>([
  ["NOT_FOUND", { kind: "absent" }],
  ["EXPIRED", { kind: "absent" }],
  ["LOST", { kind: "lost" }],
  ["DAMAGED", { kind: "lost" }],
]);

function resultOf({ kind }: RegisterOp, code: ErrorCode): StoredOperation["result"] {
  if (kind === "put" || kind === "delete") return writeResults.get(code);
  // The value was overwritten between its version and its bytes.
  if (kind === "get-at" && code === "FREED") return { kind: "mismatch" };
  return readResults.get(code);
}

export class Recorder {
  readonly #standstills: Standstills;
  readonly #slackMs: number;
  readonly #open = new Set<Call & { readonly invokedAtMs: number }>();
  #recorded: RecordedOperation[] = [];

  constructor(standstills: Standstills, slackMs: number) {
    this.#standstills = standstills;
    this.#slackMs = slackMs;
  }

  /** The result, or undefined when there was none; errors are recorded and not thrown. */
  async call(call: Call): Promise<StoredOperation["result"]> {
    const { workload, client, key, op, timeoutMs } = call;
    const invokedAtMs = sharedNowMs();
    const entry = { ...call, invokedAtMs };
    this.#open.add(entry);
    let result: StoredOperation["result"];
    let error: MayflyError | undefined;
    try {
      result = await call.run();
    } catch (thrown) {
      error = MayflyError.from(thrown);
      result = resultOf(op, error.code);
    }
    this.#open.delete(entry);
    const endedAtMs = sharedNowMs();
    const standstillMs = this.#standstills.between(invokedAtMs, endedAtMs);
    const lateMs = endedAtMs - invokedAtMs - timeoutMs - this.#slackMs - standstillMs;
    const shift = result?.kind === "absent" ? (call.absentNotBeforeMs ?? 0) : 0;
    this.#recorded.push({
      ...{ workload, client, key, op, timeoutMs, result, endedAtMs },
      invokedAtMs: Math.min(invokedAtMs + shift, endedAtMs),
      returnedAtMs: result === undefined ? undefined : endedAtMs,
      ...(error !== undefined && { error: error.code, message: error.message.slice(0, 300) }),
      ...(lateMs > 0 && { lateMs }),
    });
    return result;
  }

  /** What was recorded since it was asked last. */
  take(): RecordedOperation[] {
    const taken = this.#recorded;
    this.#recorded = [];
    return taken;
  }

  /** Calls that are under way, for people. */
  hanging(): string[] {
    return [...this.#open].map(
      ({ workload, client, key, op, timeoutMs, invokedAtMs }) =>
        `${workload} ${key}: client ${client}, ${op.kind}, timeout ${timeoutMs} ms, under way for ` +
        `${(sharedNowMs() - invokedAtMs).toFixed(0)} ms`,
    );
  }

  get open(): number {
    return this.#open.size;
  }
}
