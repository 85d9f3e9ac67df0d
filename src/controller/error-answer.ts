/** Every error that a route or the framework throws, as the one shape of `ErrorReply`. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { MayflyError } from "../errors.ts";
import type { ErrorReply } from "../wire/control-api.ts";

export const bodyBytesMax = 1024 * 1024;

export function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = errorOf(thrown, request);
  const { code, message, retryAfterMs } = error;
  const body: ErrorReply = { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (retryAfterMs !== undefined) reply.header("retry-after", String(Math.ceil(retryAfterMs / 1000)));
  // After a body that was not read to its end the connection cannot be used again.
  if (code === "TOO_LARGE") reply.header("connection", "close");
  reply.status(error.httpStatus).send(body);
}

/** Errors of the framework are about requests it could not read; all others are our own. */
function errorOf(thrown: unknown, request: FastifyRequest): MayflyError {
  if (thrown instanceof MayflyError || !(thrown instanceof Error)) return MayflyError.from(thrown);
  const status = "statusCode" in thrown ? Number(thrown.statusCode) : 500;
  if (!(status >= 400 && status < 500)) return MayflyError.from(thrown);
  const what = `${request.method} ${request.url.slice(0, 200)}`;
  if (status === 413) {
    return new MayflyError("TOO_LARGE", `${what}: the body is above ${bodyBytesMax} bytes`, {
      cause: thrown,
    });
  }
  const hint = status === 415 ? "; send content-type: application/json" : "";
  return new MayflyError("INVALID_ARGUMENT", `${what}: ${thrown.message}${hint}`, { cause: thrown });
}
