/** What the exchange scenario asks of its clients, and what they tell. */

/** `serve` answers each message with itself, so often; `call` sends and waits for the answer, so often. */
export interface HandOverRequest {
  readonly ask: "serve" | "call";
  /** Of the pair of mailboxes. */
  readonly name: string;
  readonly messageBytes: number;
  readonly roundTrips: number;
}

/** Of one hand-over: half of a round trip. */
export interface HandOvers {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** `arrive`: so many clients arrive and wait; `last`: one more does; `released`: when all of them went on. */
export interface BarrierRequest {
  readonly ask: "arrive" | "last" | "released";
  readonly name: string;
  readonly parties: number;
  readonly clients: number;
}

/** By the clock of the machine. `arrivedMs` is when the last one was about to arrive, for who asked for it. */
export interface BarrierRelease {
  readonly arrivedMs: number;
  readonly releasedMs: readonly number[];
}
