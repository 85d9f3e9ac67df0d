/** For people and for load balancers. */
import { formatEpoch } from "../../placement/epoch.ts";
import type { StatusReply } from "../../wire/control-api.ts";
import { fleetStatus } from "../fleet-status.ts";
import { healthReply, statusReply } from "../schemas.ts";
import { type App, type RouteContext, replies } from "./route-context.ts";

export function statusRoutes(app: App, context: RouteContext): void {
  app.get(
    "/v1/status",
    {
      schema: {
        summary: "Nodes, jobs, rows, and which losses are survived now",
        response: replies(statusReply),
      },
    },
    (): StatusReply =>
      fleetStatus(context.fleet, context.scaler, context.autoscaler, context.hibernator.progress()),
  );

  app.get(
    "/v1/health",
    {
      schema: {
        summary: "Whether this controller is in charge",
        response: replies(healthReply),
      },
    },
    (): { status: "ok"; epoch: string } => ({
      status: "ok",
      epoch: formatEpoch(context.fleet.state.map.epoch),
    }),
  );
}
