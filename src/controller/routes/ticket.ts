/** For functions that have a token and the controller's URL, but no ticket. */
import { MayflyError } from "../../errors.ts";
import type { JobInfo } from "../../wire/control-api.ts";
import { authenticateJob, findJob, ticketWith } from "../jobs.ts";
import { ownTicketReply } from "../schemas.ts";
import { type App, bearerToken, type RouteContext, replies } from "./route-context.ts";

/** So long a ticket of a fleet that sleeps waits for nodes that it can name; without any its holder asks the controller. */
const wakeWaitMsMax = 5000;

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
    async (request): Promise<{ ticket: string; job: JobInfo }> => {
      const token = bearerToken(request);
      if (token === undefined) {
        throw new MayflyError(
          "UNAUTHENTICATED",
          "send Authorization: Bearer <job token>; get one with: mayfly job ticket <job>",
        );
      }
      const job = authenticateJob(context.fleet, token);
      await context.hibernator.untilRows(wakeWaitMsMax);
      return {
        ticket: ticketWith(context.fleet, job, context.url(), token),
        job: findJob(context.fleet, job.number),
      };
    },
  );
}
