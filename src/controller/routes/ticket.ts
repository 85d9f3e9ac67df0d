/** For functions that have a token and the controller's URL, but no ticket. */
import { MayflyError } from "../../errors.ts";
import type { JobInfo } from "../../wire/control-api.ts";
import { authenticateJob, findJob, ticketWith } from "../jobs.ts";
import { ownTicketReply } from "../schemas.ts";
import { type App, bearerToken, type RouteContext, replies } from "./route-context.ts";

export function ticketRoutes(app: App, context: RouteContext): void {
  app.get(
    "/v1/ticket",
    {
      schema: {
        summary: "The ticket of the job whose token is shown",
        security: [{ token: [] }],
        response: replies(ownTicketReply),
      },
    },
    (request): { ticket: string; job: JobInfo } => {
      const token = bearerToken(request);
      if (token === undefined) {
        throw new MayflyError(
          "UNAUTHENTICATED",
          "send Authorization: Bearer <job token>; get one with: mayfly job ticket <job>",
        );
      }
      const job = authenticateJob(context.fleet, token);
      return {
        ticket: ticketWith(context.fleet, job, context.url(), token),
        job: findJob(context.fleet, job.number),
      };
    },
  );
}
