/**
 * Jobs. Without a token a request is administration. With `Authorization: Bearer <job token>` it is of that job: it
 * renews the job's lease, and opens no other job.
 */
import type { FastifyRequest } from "fastify";
import type { CreateJobReply, JobInfo } from "../../wire/control-api.ts";
import {
  authenticateJob,
  createJob,
  createTicket,
  endJob,
  extendJob,
  findJob,
  listJobs,
  livingJob,
} from "../jobs.ts";
import {
  createJobReply,
  createJobRequest,
  extendJobRequest,
  jobInfoSchema,
  jobParams,
  listJobsReply,
  ticketReply,
  ticketRequest,
} from "../schemas.ts";
import { checkAdministration } from "./administration.ts";
import { type App, bearerToken, type RouteContext, replies } from "./route-context.ts";

/** So long a job waits for a fleet that sleeps; callers give up at 10 s. */
const wakeWaitMsMax = 7000;

export function jobRoutes(app: App, context: RouteContext): void {
  const jobOf = (request: FastifyRequest, params: { job: string }): number => {
    const number = Number(params.job);
    const token = bearerToken(request);
    if (token !== undefined) authenticateJob(context.fleet, token, number);
    return number;
  };

  app.post(
    "/v1/jobs",
    { schema: { summary: "Begins a job", body: createJobRequest, response: replies(createJobReply) } },
    async (request): Promise<CreateJobReply> => {
      checkAdministration(context, request, "begin others");
      await context.hibernator.untilAwake(wakeWaitMsMax);
      return await createJob(context.fleet, request.body, context.url(), context.admission);
    },
  );

  app.get(
    "/v1/jobs",
    {
      schema: { summary: "Jobs alive and the last that ended", response: replies(listJobsReply) },
    },
    (request): { jobs: JobInfo[] } => {
      checkAdministration(context, request, "list all jobs");
      return { jobs: listJobs(context.fleet) };
    },
  );

  app.get(
    "/v1/jobs/:job",
    { schema: { summary: "One job", params: jobParams, response: replies(jobInfoSchema) } },
    (request): JobInfo => findJob(context.fleet, jobOf(request, request.params)),
  );

  app.post(
    "/v1/jobs/:job/extend",
    {
      schema: {
        summary: "Renews a job's lease, and can give it another length",
        params: jobParams,
        body: extendJobRequest,
        response: replies(jobInfoSchema),
      },
    },
    (request): Promise<JobInfo> =>
      extendJob(context.fleet, jobOf(request, request.params), request.body.leaseMs),
  );

  app.delete(
    "/v1/jobs/:job",
    {
      schema: {
        summary: "Ends a job: all of its data that are not durable are freed",
        params: jobParams,
        response: replies(jobInfoSchema),
      },
    },
    (request): Promise<JobInfo> => endJob(context.fleet, jobOf(request, request.params)),
  );

  app.post(
    "/v1/jobs/:job/ticket",
    {
      schema: {
        summary: "A new token, and a ticket with it",
        params: jobParams,
        body: ticketRequest,
        response: replies(ticketReply),
      },
    },
    (request): { ticket: string; token: string } => {
      const job = livingJob(context.fleet, jobOf(request, request.params));
      return createTicket(context.fleet, job, context.url(), request.body.ttlMs);
    },
  );
}
