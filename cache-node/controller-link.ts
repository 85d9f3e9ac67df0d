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
  readonly onReply: (reply: HeartbeatReply) => void;
  /** The controller has declared this node dead: its data count as gone, so the process must end. */
  readonly onDeclaredDead: (error: MayflyError) => void;
  /** The first attempt to register failed; it is tried for a minute. */
  readonly onAway?: ((error: MayflyError) => void) | undefined;
}

const registerRetryMs = 200;
const registerTimeoutMs = 60_000;

export class ControllerLink {
  readonly #options: ControllerLinkOptions;
  #node: RegisterNodeReply | undefined;
  #cancel: Cancel | undefined;
  #stopped = false;

  constructor(options: ControllerLinkOptions) {
    this.#options = options;
  }

  /** Registers, trying for a minute while the controller cannot be reached. */
  async register(request: RegisterNodeRequest): Promise<RegisterNodeReply> {
    const { clock, controller } = this.#options;
    const untilMs = clock.now() + registerTimeoutMs;
    for (let first = true; ; first = false) {
      try {
        const reply = await controller.registerNode(request);
        this.#node = reply;
        this.#schedule();
        return reply;
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        if (error.kind !== "unavailable" || this.#stopped || clock.now() > untilMs) throw error;
        if (first) this.#options.onAway?.(error);
        await sleep(clock, registerRetryMs);
      }
    }
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

  #schedule(): void {
    const node = this.#node;
    if (this.#stopped || node === undefined) return;
    this.#cancel = this.#options.clock.after(node.heartbeatMs, () => {
      void this.#beat(node).finally(() => this.#schedule());
    });
  }

  /**
   * Reports, and again as long as that brought a newer map: the controller waits until all nodes have the rows of now
   * before it lets a job begin.
   */
  async #beat({ nodeId, fleetToken }: RegisterNodeReply): Promise<void> {
    const { controller, heartbeat, onReply } = this.#options;
    try {
      let report: HeartbeatRequest | undefined = heartbeat();
      while (report !== undefined) {
        const reply = await controller.heartbeat(nodeId, report, fleetToken);
        if (this.#stopped) return;
        onReply(reply);
        const next: HeartbeatRequest | undefined = reply.map === undefined ? undefined : heartbeat();
        report = next?.epoch === report.epoch ? undefined : next;
      }
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      // Anything else passes: the controller may be away, and reads and writes go on.
      if (error.code === "NODE_UNKNOWN" && !this.#stopped) this.#options.onDeclaredDead(error);
    }
  }
}
