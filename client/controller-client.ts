/** The controller's API for those who call it from outside of functions: the CLI and the cache nodes. */
import type {
  CreateJobReply,
  CreateJobRequest,
  HeartbeatReply,
  HeartbeatRequest,
  JobInfo,
  NodeProgress,
  RegisterNodeReply,
  RegisterNodeRequest,
  RestartProgress,
  ScaleProgress,
  StatusReply,
} from "../src/wire/control-api.ts";
import type { HibernationProgress } from "../src/wire/hibernation-api.ts";
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
    const reply = await this.#get("/v1/jobs");
    return (reply as { jobs: readonly JobInfo[] }).jobs;
  }

  async status(): Promise<StatusReply> {
    return (await this.#get("/v1/status")) as StatusReply;
  }

  async nodeProgress(node: number): Promise<NodeProgress> {
    return (await this.#get(`/v1/nodes/${node}`)) as NodeProgress;
  }

  async drainNode(node: number, deadlineMs?: number): Promise<NodeProgress> {
    const body = deadlineMs === undefined ? {} : { deadlineMs };
    return (await this.post(`/v1/nodes/${node}/drain`, body)) as NodeProgress;
  }

  async cancelDrain(node: number): Promise<NodeProgress> {
    return (await this.post(`/v1/nodes/${node}/drain/cancel`, {})) as NodeProgress;
  }

  async scale(nodes: number): Promise<ScaleProgress> {
    return (await this.post("/v1/scale", { nodes })) as ScaleProgress;
  }

  async scaleProgress(): Promise<ScaleProgress> {
    return (await this.#get("/v1/scale")) as ScaleProgress;
  }

  /** Replaces all nodes of now, one after the other. */
  async restart(): Promise<RestartProgress> {
    return (await this.post("/v1/restart", {})) as RestartProgress;
  }

  async restartProgress(): Promise<RestartProgress> {
    return (await this.#get("/v1/restart")) as RestartProgress;
  }

  /** Puts the fleet to sleep in its object store as soon as nobody uses it. */
  async hibernate(): Promise<HibernationProgress> {
    return (await this.post("/v1/hibernate", {})) as HibernationProgress;
  }

  async wake(): Promise<HibernationProgress> {
    return (await this.post("/v1/wake", {})) as HibernationProgress;
  }

  async hibernationProgress(): Promise<HibernationProgress> {
    return (await this.#get("/v1/hibernation")) as HibernationProgress;
  }

  async registerNode(request: RegisterNodeRequest): Promise<RegisterNodeReply> {
    return (await this.post("/v1/nodes", request)) as RegisterNodeReply;
  }

  /** @param fleetToken of the node: whoever shows one must be who it says */
  async heartbeat(node: number, request: HeartbeatRequest, fleetToken?: string): Promise<HeartbeatReply> {
    return (await this.post(`/v1/nodes/${node}/heartbeat`, request, fleetToken)) as HeartbeatReply;
  }

  /**
   * Answers with what a heartbeat would bring as soon as there is a map or a job table other than those that are known,
   * or with nothing after `waitMs`.
   */
  async watch(
    node: number,
    known: { readonly epoch: string; readonly jobsVersion: number; readonly waitMs: number },
    fleetToken?: string,
  ): Promise<HeartbeatReply> {
    const { epoch, jobsVersion, waitMs } = known;
    const path = `/v1/nodes/${node}/watch?epoch=${epoch}&jobs=${jobsVersion}&waitMs=${waitMs}`;
    const reply = await this.http.json({
      ...{ method: "GET", path, timeoutMs: waitMs + this.timeoutMs },
      ...(fleetToken !== undefined && { token: fleetToken }),
    });
    return reply as HeartbeatReply;
  }

  async leave(node: number, fleetToken?: string): Promise<void> {
    await this.post(`/v1/nodes/${node}/leave`, {}, fleetToken);
  }

  #get(path: string): Promise<unknown> {
    return this.http.json({ method: "GET", path, timeoutMs: this.timeoutMs });
  }
}
