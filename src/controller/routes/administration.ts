/** Requests without a token are administration; whoever shows a job's token is that job, and administrates nothing. */
import type { FastifyRequest } from "fastify";
import { MayflyError } from "../../errors.ts";
import { authenticateJob } from "../jobs.ts";
import { bearerToken, type RouteContext } from "./route-context.ts";

/** @param what for the message: "list all jobs". @throws MayflyError FORBIDDEN with a job's token */
export function checkAdministration(context: RouteContext, request: FastifyRequest, what: string): void {
  const token = bearerToken(request);
  if (token === undefined) return;
  const job = authenticateJob(context.fleet, token);
  throw new MayflyError("FORBIDDEN", `the token of job ${job.number} does not allow to ${what}`);
}
