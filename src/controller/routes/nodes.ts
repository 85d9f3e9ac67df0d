/** For cache nodes: register, report, hear what is new, leave. For people: empty them. */
import type { FastifyRequest } from "fastify";
import { parseEpoch } from "../../placement/epoch.ts";
import type { HeartbeatReply, NodeProgress, RegisterNodeReply } from "../../wire/control-api.ts";
import { beginDrain, endDrain, nodeProgress } from "../drains.ts";
import { checkNodeToken, hearNode, registerNode, retireNode, watchMsMax, watchNews } from "../nodes.ts";
import {
  drainRequest,
  emptyReply,
  heartbeatReply,
  heartbeatRequest,
  nodeIdParams,
  nodeProgressReply,
  registerNodeReply,
  registerNodeRequest,
  watchQuery,
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

  app.get(
    "/v1/nodes/:id/watch",
    {
      schema: {
        summary: "What a heartbeat would bring, as soon as there is a newer map or job table",
        params: nodeIdParams,
        querystring: watchQuery,
        response: replies(heartbeatReply),
      },
    },
    async (request): Promise<HeartbeatReply> => {
      const id = nodeOf(request, request.params);
      const { epoch, jobs, waitMs = watchMsMax } = request.query;
      const gone = new AbortController();
      const abort = (): void => gone.abort();
      request.socket.once("close", abort);
      try {
        const known = { epoch: parseEpoch(epoch), jobsVersion: Number(jobs) };
        return await watchNews(context.fleet, id, known, Number(waitMs), gone.signal);
      } finally {
        request.socket.removeListener("close", abort);
      }
    },
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

  app.get(
    "/v1/nodes/:id",
    {
      schema: {
        summary: "A node's state, and what keeps it from going",
        params: nodeIdParams,
        response: replies(nodeProgressReply),
      },
    },
    (request): NodeProgress => nodeProgress(context.fleet, nodeOf(request, request.params)),
  );

  app.post(
    "/v1/nodes/:id/drain",
    {
      schema: {
        summary: "Empties a node, so that it can go without a loss",
        params: nodeIdParams,
        body: drainRequest,
        response: replies(nodeProgressReply),
      },
    },
    (request): Promise<NodeProgress> =>
      beginDrain(context.fleet, nodeOf(request, request.params), request.body.deadlineMs),
  );

  app.post(
    "/v1/nodes/:id/drain/cancel",
    {
      schema: {
        summary: "A node that is being emptied takes shards and rows again",
        params: nodeIdParams,
        response: replies(nodeProgressReply),
      },
    },
    (request): Promise<NodeProgress> => endDrain(context.fleet, nodeOf(request, request.params)),
  );
}
