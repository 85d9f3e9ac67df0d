/** A fleet that nobody uses sleeps, and wakes. */
import type { HibernationProgress } from "../../wire/hibernation-api.ts";
import { hibernationProgress } from "../schemas.ts";
import { checkAdministration } from "./administration.ts";
import { type App, type RouteContext, replies } from "./route-context.ts";

export function hibernationRoutes(app: App, context: RouteContext): void {
  app.post(
    "/v1/hibernate",
    {
      schema: {
        summary: "Puts the fleet to sleep in its object store as soon as nobody uses it",
        response: replies(hibernationProgress),
      },
    },
    (request): HibernationProgress => {
      checkAdministration(context, request, "put the fleet to sleep");
      return context.hibernator.hibernate();
    },
  );

  app.post(
    "/v1/wake",
    {
      schema: {
        summary: "Wakes a fleet that sleeps; one that is about to sleep stays awake",
        response: replies(hibernationProgress),
      },
    },
    (request): HibernationProgress => {
      checkAdministration(context, request, "wake the fleet");
      return context.hibernator.wake();
    },
  );

  app.get(
    "/v1/hibernation",
    {
      schema: { summary: "How far the fleet is with that", response: replies(hibernationProgress) },
    },
    (): HibernationProgress => context.hibernator.progress(),
  );
}
