/** For cache nodes: register, report, leave. */
import type { FastifyRequest } from "fastify";
import type { HeartbeatReply, RegisterNodeReply } from "../../wire/control-api.ts";
import { checkNodeToken, hearNode, registerNode, retireNode } from "../nodes.ts";
import {
  emptyReply,
  heartbeatReply,
  heartbeatRequest,
  nodeIdParams,
  registerNodeReply,
  registerNodeRequest,
} from "../schemas.ts";
import { type App, bearerToken, type RouteContext, replies } from "./route-context.ts";

export function nodeRoutes(app: App, context: RouteContext): void {
  /** The id in the path, whose token, if one is shown, must be that node's. */
  const nodeOf = (request: FastifyRequest, params: { id: string }): number => {
    const id = Number(params.id);
    const token = bearerToken(request);
    if (token !== undefined) checkNodeToken(context.fleet, id, token);
    return id;
  };

  app.post(
    "/v1/nodes",
    {
      schema: {
        summary: "Registers a node process and gives it an id that is never used again",
        body: registerNodeRequest,
        response: replies(registerNodeReply),
      },
    },
    (request): Promise<RegisterNodeReply> => registerNode(context.fleet, request.body),
  );

  app.post(
    "/v1/nodes/:id/heartbeat",
    {
      schema: {
        summary: "Keeps a node alive; brings it the map and the job table when its own are old",
        params: nodeIdParams,
        body: heartbeatRequest,
        response: replies(heartbeatReply),
      },
    },
    (request): Promise<HeartbeatReply> =>
      hearNode(context.fleet, nodeOf(request, request.params), request.body),
  );

  app.post(
    "/v1/nodes/:id/leave",
    {
      schema: { summary: "A node's clean exit", params: nodeIdParams, response: replies(emptyReply) },
    },
    async (request) => {
      await retireNode(context.fleet, nodeOf(request, request.params));
      return {};
    },
  );
}
