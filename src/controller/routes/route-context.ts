/** What all routes are made of. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { TSchema } from "typebox";
import { MayflyError } from "../../errors.ts";
import type { Admission } from "../admission.ts";
import type { Autoscaler } from "../execute-autoscale.ts";
import type { Scaler } from "../execute-scale.ts";
import type { Fleet } from "../fleet.ts";
import type { Hibernator } from "../hibernation/execute-hibernation.ts";
import { errorReply } from "../schemas.ts";

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface RouteContext {
  /** Throws MayflyError UNAVAILABLE while the controller starts: the port is bound before the fleet is taken over. */
  readonly fleet: Fleet;
  /** Throws like `fleet`. */
  readonly scaler: Scaler;
  /** Throws like `fleet`. */
  readonly admission: Admission;
  /** Throws like `fleet`. */
  readonly hibernator: Hibernator;
  /** Undefined when nobody decides the size but people. */
  readonly autoscaler: Autoscaler | undefined;
  /** The controller's URL as tickets name it. */
  readonly url: () => string;
}

/** The response schemas of a route: its answer, and the one shape of all errors. */
export function replies(answer: TSchema): { 200: unknown; default: unknown } {
  return { 200: answer, default: errorReply };
}

/**
 * The token of `Authorization: Bearer <token>`; undefined without the header.
 *
 * @throws MayflyError UNAUTHENTICATED for another kind of authorization.
 */
export function bearerToken(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return undefined;
  const match = /^Bearer +(\S+)$/i.exec(header);
  if (match === null) {
    throw new MayflyError("UNAUTHENTICATED", "the Authorization header must read: Bearer <token>");
  }
  return match[1];
}
