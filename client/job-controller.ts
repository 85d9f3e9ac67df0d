/** The part of the controller's API that a function needs; the rest is in controller-client.ts. */
import { MayflyError } from "../src/errors.ts";
import { formatEpoch } from "../src/placement/epoch.ts";
import type { Epoch } from "../src/placement/types.ts";
import type { JobInfo } from "../src/wire/control-api.ts";
import { HttpClient } from "./http-client.ts";

const timeoutMsDefault = 10_000;

export class JobController {
  protected readonly http: HttpClient;
  protected readonly timeoutMs: number;

  constructor(url: string, timeoutMs = timeoutMsDefault) {
    this.http = new HttpClient(url);
    this.timeoutMs = timeoutMs;
  }

  close(): void {
    this.http.close();
  }

  /** The encoded map if it is newer than `after`. */
  async map(after: Epoch, timeoutMs: number): Promise<Uint8Array | undefined> {
    const path = `/v1/map?after=${formatEpoch(after)}`;
    const { status, bytes } = await this.http.bytes({ method: "GET", path, timeoutMs });
    return status === 204 ? undefined : bytes;
  }

  /** A ticket and the job's facts for whoever holds a token of the job. */
  async ticket(token: string, timeoutMs: number): Promise<{ ticket: string; job: JobInfo }> {
    const reply = await this.http.json({ method: "GET", path: "/v1/ticket", token, timeoutMs });
    return reply as { ticket: string; job: JobInfo };
  }

  async extendJob(job: number, token?: string): Promise<JobInfo> {
    return (await this.post(`/v1/jobs/${job}/extend`, {}, token)) as JobInfo;
  }

  async endJob(job: number, token?: string): Promise<void> {
    const path = `/v1/jobs/${job}`;
    await this.http.json({
      method: "DELETE",
      path,
      timeoutMs: this.timeoutMs,
      ...(token !== undefined && { token }),
    });
  }

  protected post(path: string, body: unknown, token?: string): Promise<unknown> {
    const timeoutMs = this.timeoutMs;
    return this.http.json({ method: "POST", path, body, timeoutMs, ...(token !== undefined && { token }) });
  }
}

/**
 * The text of a ticket, for whoever holds a token.
 * @param job must be the token's, where it is given
 * @throws MayflyError FORBIDDEN, TOKEN_EXPIRED, CONTROLLER_UNREACHABLE
 */
export async function askTicket(url: string, token: string, job: number | undefined): Promise<string> {
  const controller = new JobController(url);
  try {
    const reply = await controller.ticket(token, timeoutMsDefault);
    if (job === undefined || job === reply.job.job) return reply.ticket;
    throw new MayflyError("FORBIDDEN", `The token is of job ${reply.job.job}, not of job ${job}.`);
  } finally {
    controller.close();
  }
}
