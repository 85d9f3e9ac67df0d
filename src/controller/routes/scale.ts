/** The size of the fleet, and the replacing of its nodes. */
import type { RestartProgress, ScaleProgress } from "../../wire/control-api.ts";
import { restartProgress, scaleProgress, scaleRequest } from "../schemas.ts";
import { checkAdministration } from "./administration.ts";
import { type App, type RouteContext, replies } from "./route-context.ts";

export function scaleRoutes(app: App, context: RouteContext): void {
  app.post(
    "/v1/scale",
    {
      schema: {
        summary: "Sets how many active nodes the fleet should have",
        body: scaleRequest,
        response: replies(scaleProgress),
      },
    },
    (request): Promise<ScaleProgress> => {
      checkAdministration(context, request, "scale the fleet");
      return context.scaler.scaleTo(request.body.nodes);
    },
  );

  app.get(
    "/v1/scale",
    { schema: { summary: "How far the fleet is from its size", response: replies(scaleProgress) } },
    (): ScaleProgress => context.scaler.scaleProgress(),
  );

  app.post(
    "/v1/restart",
    {
      schema: {
        summary: "Replaces all nodes of now, one after the other, without a loss",
        response: replies(restartProgress),
      },
    },
    (request): Promise<RestartProgress> => {
      checkAdministration(context, request, "restart the fleet");
      return context.scaler.restart();
    },
  );

  app.get(
    "/v1/restart",
    { schema: { summary: "How far the replacing of nodes is", response: replies(restartProgress) } },
    (): RestartProgress => context.scaler.restartProgress(),
  );
}
