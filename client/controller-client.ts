/** The controller's API for those who call it from outside of functions: the CLI and the cache nodes. */
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
import { JobController } from "./job-controller.ts";

export class ControllerClient extends JobController {
  get url(): string {
    return this.http.url;
  }

  async newTicket(job: number): Promise<{ ticket: string; token: string }> {
    return (await this.post(`/v1/jobs/${job}/ticket`, {})) as { ticket: string; token: string };
  }

  async createJob(request: CreateJobRequest): Promise<CreateJobReply> {
    return (await this.post("/v1/jobs", request)) as CreateJobReply;
  }

  async jobs(): Promise<readonly JobInfo[]> {
    const reply = await this.http.json({ method: "GET", path: "/v1/jobs", timeoutMs: this.timeoutMs });
    return (reply as { jobs: readonly JobInfo[] }).jobs;
  }

  async status(): Promise<StatusReply> {
    return (await this.http.json({
      method: "GET",
      path: "/v1/status",
      timeoutMs: this.timeoutMs,
    })) as StatusReply;
  }

  async registerNode(request: RegisterNodeRequest): Promise<RegisterNodeReply> {
    return (await this.post("/v1/nodes", request)) as RegisterNodeReply;
  }

  /** @param fleetToken of the node: whoever shows one must be who it says */
  async heartbeat(node: number, request: HeartbeatRequest, fleetToken?: string): Promise<HeartbeatReply> {
    return (await this.post(`/v1/nodes/${node}/heartbeat`, request, fleetToken)) as HeartbeatReply;
  }

  async leave(node: number, fleetToken?: string): Promise<void> {
    await this.post(`/v1/nodes/${node}/leave`, {}, fleetToken);
  }
}
