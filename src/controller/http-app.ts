/** The controller's HTTP side: what every route shares. The routes are in routes/, a file a family. */
import swagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify from "fastify";
import { MayflyError } from "../errors.ts";
import { answerError, bodyBytesMax } from "./error-answer.ts";
import { fencedError } from "./ledger.ts";
import { hibernationRoutes } from "./routes/hibernation.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { mapRoutes } from "./routes/map.ts";
import { nodeRoutes } from "./routes/nodes.ts";
import type { App, RouteContext } from "./routes/route-context.ts";
import { scaleRoutes } from "./routes/scale.ts";
import { statusRoutes } from "./routes/status.ts";
import { ticketRoutes } from "./routes/ticket.ts";

/** An app that does not listen yet. */
export async function createHttpApp(context: RouteContext): Promise<App> {
  const fastify = Fastify({
    bodyLimit: bodyBytesMax,
    forceCloseConnections: true,
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: 64 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    frameworkErrors: (error, request, reply) => answerError(error, request, reply),
  });
  const app: App = fastify.withTypeProvider<TypeBoxTypeProvider>();
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Mayfly controller",
        version: "1",
        description: "Sizes in bytes, times in milliseconds.",
      },
      components: {
        securitySchemes: {
          token: { type: "http", scheme: "bearer", description: "a job's token, or a node's fleet token" },
        },
      },
    },
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request) => {
    const what = `${request.method} ${request.url.slice(0, 200)}`;
    throw new MayflyError("UNKNOWN_COMMAND", `no route ${what}; GET /openapi.json lists all of them`);
  });
  // A request without a body is one with nothing in it, whatever its content type says.
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, {});
    else parseJson(request, body, done);
  });
  app.addHook("preValidation", async (request) => {
    if (request.method === "POST") request.body ??= {};
  });
  app.addHook("onRequest", async () => {
    const { fencedBy } = context.fleet.ledger;
    if (fencedBy !== undefined) throw fencedError(fencedBy);
  });
  nodeRoutes(app, context);
  mapRoutes(app, context);
  jobRoutes(app, context);
  ticketRoutes(app, context);
  scaleRoutes(app, context);
  hibernationRoutes(app, context);
  statusRoutes(app, context);
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  await app.ready();
  return app;
}
