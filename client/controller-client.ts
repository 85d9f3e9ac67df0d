/** The controller's API for those who call it: the SDK, the CLI and the cache nodes. */
import { formatEpoch } from "../src/placement/epoch.ts";
import type { Epoch } from "../src/placement/types.ts";
import type {
  CreateJobReply,
  CreateJobRequest,
  HeartbeatReply,
  HeartbeatRequest,
  JobInfo,
  RegisterNodeReply,
  RegisterNodeRequest,
  StatusReply,
} from "../src/wire/control-api.ts";
import { HttpClient } from "./http-client.ts";

const timeoutMsDefault = 10_000;

export class ControllerClient {
  readonly #http: HttpClient;
  readonly #timeoutMs: number;

  constructor(url: string, timeoutMs = timeoutMsDefault) {
    this.#http = new HttpClient(url);
    this.#timeoutMs = timeoutMs;
  }

  get url(): string {
    return this.#http.url;
  }

  close(): void {
    this.#http.close();
  }

  /** The encoded map if it is newer than `after`. */
  async map(after: Epoch, timeoutMs: number): Promise<Uint8Array | undefined> {
    const path = `/v1/map?after=${formatEpoch(after)}`;
    const { status, bytes } = await this.#http.bytes({ method: "GET", path, timeoutMs });
    return status === 204 ? undefined : bytes;
  }

  /** A ticket and the job's facts for whoever holds a token of the job. */
  async ticket(token: string, timeoutMs: number): Promise<{ ticket: string; job: JobInfo }> {
    const reply = await this.#http.json({ method: "GET", path: "/v1/ticket", token, timeoutMs });
    return reply as { ticket: string; job: JobInfo };
  }

  async newTicket(job: number): Promise<{ ticket: string; token: string }> {
    return (await this.#post(`/v1/jobs/${job}/ticket`, {})) as { ticket: string; token: string };
  }

  async createJob(request: CreateJobRequest): Promise<CreateJobReply> {
    return (await this.#post("/v1/jobs", request)) as CreateJobReply;
  }

  async jobs(): Promise<readonly JobInfo[]> {
    const reply = await this.#http.json({ method: "GET", path: "/v1/jobs", timeoutMs: this.#timeoutMs });
    return (reply as { jobs: readonly JobInfo[] }).jobs;
  }

  async extendJob(job: number, token?: string): Promise<JobInfo> {
    return (await this.#post(`/v1/jobs/${job}/extend`, {}, token)) as JobInfo;
  }

  async endJob(job: number, token?: string): Promise<void> {
    const path = `/v1/jobs/${job}`;
    await this.#http.json({
      method: "DELETE",
      path,
      timeoutMs: this.#timeoutMs,
      ...(token !== undefined && { token }),
    });
  }

  async status(): Promise<StatusReply> {
    return (await this.#http.json({
      method: "GET",
      path: "/v1/status",
      timeoutMs: this.#timeoutMs,
    })) as StatusReply;
  }

  async registerNode(request: RegisterNodeRequest): Promise<RegisterNodeReply> {
    return (await this.#post("/v1/nodes", request)) as RegisterNodeReply;
  }

  /** @param fleetToken of the node: whoever shows one must be who it says */
  async heartbeat(node: number, request: HeartbeatRequest, fleetToken?: string): Promise<HeartbeatReply> {
    return (await this.#post(`/v1/nodes/${node}/heartbeat`, request, fleetToken)) as HeartbeatReply;
  }

  async leave(node: number, fleetToken?: string): Promise<void> {
    await this.#post(`/v1/nodes/${node}/leave`, {}, fleetToken);
  }

  #post(path: string, body: unknown, token?: string): Promise<unknown> {
    const timeoutMs = this.#timeoutMs;
    return this.#http.json({ method: "POST", path, body, timeoutMs, ...(token !== undefined && { token }) });
  }
}
