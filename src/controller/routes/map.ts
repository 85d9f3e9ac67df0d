/** The map, as placement/map-codec.ts writes it. */
import { compareEpochs, formatEpoch, parseEpoch } from "../../placement/epoch.ts";
import { errorReply, mapQuery } from "../schemas.ts";
import type { App, RouteContext } from "./route-context.ts";

const mapReplies: unknown = {
  200: {
    description: "the encoded map; its epoch is in the header mayfly-epoch too",
    content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
  },
  204: { type: "null", description: "not newer" },
  default: errorReply,
};

/** Whoever asks a fleet that sleeps waits so long for its rows; clients give up at 2 s, and ask again. */
const wakeWaitMsMax = 1500;

export function mapRoutes(app: App, context: RouteContext): void {
  app.get(
    "/v1/map",
    {
      schema: {
        summary: "The fleet map",
        querystring: mapQuery,
        response: mapReplies,
      },
    },
    async (request, reply) => {
      await context.hibernator.untilRows(wakeWaitMsMax);
      const { epoch } = context.fleet.state.map;
      reply.header("mayfly-epoch", formatEpoch(epoch));
      const { after } = request.query;
      if (after !== undefined && compareEpochs(epoch, parseEpoch(after)) <= 0) {
        return reply.status(204).send();
      }
      return reply.type("application/octet-stream").send(Buffer.from(context.fleet.encodedMap()));
    },
  );
}
