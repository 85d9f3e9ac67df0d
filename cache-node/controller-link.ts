/** The node's side of the control plane: registers, sends heartbeats, takes maps and job tables, leaves. */

import type { ControllerClient } from "../client/controller-client.ts";
import type { Cancel, Clock } from "../src/clock.ts";
import { sleep } from "../src/clock.ts";
import { MayflyError } from "../src/errors.ts";
import type {
  HeartbeatReply,
  HeartbeatRequest,
  RegisterNodeReply,
  RegisterNodeRequest,
} from "../src/wire/control-api.ts";

export interface ControllerLinkOptions {
  readonly clock: Clock;
  readonly controller: ControllerClient;
  readonly heartbeat: () => HeartbeatRequest;
  /** The newest map and table of jobs here. */
  readonly known: () => Pick<HeartbeatRequest, "epoch" | "jobsVersion">;
  readonly onReply: (reply: HeartbeatReply) => void;
  /** The controller has declared this node dead: its data count as gone, so the process must end. */
  readonly onDeclaredDead: (error: MayflyError) => void;
  /** The node was asked to leave and nothing needs it any more. */
  readonly onDrained: () => void;
  /** The first attempt to register failed; it is tried for a minute. */
  readonly onAway?: ((error: MayflyError) => void) | undefined;
}

const registerRetryMs = 200;
const registerTimeoutMs = 60_000;
/** So long the controller may keep a request that waits for news. */
const watchMs = 10_000;
/** News of one moment goes in one heartbeat. */
const newsGatherMs = 5;

export class ControllerLink {
  readonly #options: ControllerLinkOptions;
  #node: RegisterNodeReply | undefined;
  #cancel: Cancel | undefined;
  #beating = false;
  #beatAgain = false;
  #stopped = false;
  #answeredAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ControllerLinkOptions) {
    this.#options = options;
  }

  /** Registers, trying for a minute while the controller cannot be reached. */
  async register(request: RegisterNodeRequest): Promise<RegisterNodeReply> {
    const { clock, controller } = this.#options;
    const untilMs = clock.now() + registerTimeoutMs;
    const { instance } = request;
    let lives = 0;
    for (let first = true; ; first = false) {
      const named = instance === undefined || lives === 0 ? {} : { instance: `${instance}.${lives}` };
      try {
        const sentAtMs = clock.now();
        const reply = await controller.registerNode({ ...request, ...named });
        this.#answeredAtMs = sentAtMs;
        this.#node = reply;
        this.#schedule(reply.heartbeatMs);
        void this.#watch(reply);
        return reply;
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        // An earlier request of this process was taken, never answered, and its node given up since: it is another one.
        const isGivenUp = error.code === "NODE_UNKNOWN" && instance !== undefined;
        if (isGivenUp) lives += 1;
        const mayPass = isGivenUp || error.kind === "unavailable";
        if (!mayPass || this.#stopped || clock.now() > untilMs) throw error;
        if (first) this.#options.onAway?.(error);
        await sleep(clock, registerRetryMs);
      }
    }
  }

  /** When the newest heartbeat left that the controller has answered, by the monotonic clock. */
  get answeredAtMs(): number {
    return this.#answeredAtMs;
  }

  async leave(): Promise<void> {
    this.stop();
    if (this.#node === undefined) return;
    const { nodeId, fleetToken } = this.#node;
    await this.#options.controller.leave(nodeId, fleetToken).catch(() => undefined);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  /** There is something that the controller should hear of now; what comes in the next moment goes with it. */
  beatSoon(): void {
    if (this.#beating) this.#beatAgain = true;
    else this.#schedule(newsGatherMs);
  }

  #schedule(delayMs: number): void {
    const node = this.#node;
    if (this.#stopped || node === undefined) return;
    this.#cancel?.();
    this.#cancel = this.#options.clock.after(delayMs, () => {
      this.#beating = true;
      this.#beatAgain = false;
      void this.#beat(node).finally(() => {
        this.#beating = false;
        this.#schedule(this.#beatAgain ? newsGatherMs : node.heartbeatMs);
      });
    });
  }

  /** Always has one request at the controller, which answers it when there is a newer map or a newer table of jobs. */
  async #watch({ nodeId, fleetToken, heartbeatMs }: RegisterNodeReply): Promise<void> {
    const { clock, controller, known } = this.#options;
    while (!this.#stopped) {
      try {
        const after = { ...known(), waitMs: watchMs };
        const reply = await controller.watch(nodeId, after, fleetToken);
        if (this.#stopped) return;
        this.#take(reply);
        if (reply.drained === true) return;
        // The controller waits for this before it lets a job begin.
        if (reply.map !== undefined) this.beatSoon();
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        if (error.code === "NODE_UNKNOWN") return this.#declaredDead(error);
        await sleep(clock, error.retryAfterMs ?? heartbeatMs);
      }
    }
  }

  #take(reply: HeartbeatReply): void {
    this.#options.onReply(reply);
    if (reply.drained === true) this.#options.onDrained();
  }

  /**
   * Reports, and again as long as that brought a newer map: the controller waits until all nodes have the rows of now
   * before it lets a job begin.
   */
  async #beat({ nodeId, fleetToken }: RegisterNodeReply): Promise<void> {
    const { controller, heartbeat } = this.#options;
    try {
      let report: HeartbeatRequest | undefined = heartbeat();
      while (report !== undefined) {
        const sentAtMs = this.#options.clock.now();
        const reply = await controller.heartbeat(nodeId, report, fleetToken);
        if (this.#stopped) return;
        this.#answeredAtMs = sentAtMs;
        this.#take(reply);
        const next: HeartbeatRequest | undefined = reply.map === undefined ? undefined : heartbeat();
        report = next?.epoch === report.epoch ? undefined : next;
      }
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      // Anything else passes: the controller may be away, and reads and writes go on.
      if (error.code === "NODE_UNKNOWN") this.#declaredDead(error);
    }
  }

  #declaredDead(error: MayflyError): void {
    if (!this.#stopped) this.#options.onDeclaredDead(error);
  }
}
