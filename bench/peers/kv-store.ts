/**
 * A key-value store as the kv scenario sees it. Each contender has a file with its client side, which runs in a process
 * of its own (drivers/kv-driver.ts); what it connects to, its server side, is started by the scenario.
 */

export interface KvStore {
  /** How many keys can be told apart; no limit by default. One that moves bytes and keeps nothing has 1. */
  readonly keysMax?: number;
  /** Resolves when the store has acknowledged it. `data` does not change before. */
  put(key: string, data: Buffer): Promise<unknown>;
  /** In memory of its own. */
  get(key: string): Promise<Uint8Array>;
  /** Into `into`, which has the value's size, by those who can. */
  getInto?(key: string, into: Buffer): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What a client needs to know to connect; whatever its server side told. */
export type StoreTarget = Readonly<Record<string, string | number>>;

/** The server side of a contender. */
export interface KvServer {
  /** Processes whose CPU time counts as that of the server. */
  readonly pids: readonly number[];
  readonly target: StoreTarget;
  stop(): Promise<void>;
}

/** A field of the target. @throws RangeError when it is not there */
export function targetText(target: StoreTarget, field: string): string {
  const value = target[field];
  if (typeof value !== "string") throw new RangeError(`the target has no text ${field}`);
  return value;
}

/** A field of the target. @throws RangeError when it is not there */
export function targetNumber(target: StoreTarget, field: string): number {
  const value = target[field];
  if (typeof value !== "number") throw new RangeError(`the target has no number ${field}`);
  return value;
}
