/** JSON over HTTP to the controller, on Node's own client: small, and errors come back as MayflyErrors. */
import type http from "node:http";
import { type Clock, systemClock } from "../src/clock.ts";
import { isErrorCode, MayflyError } from "../src/errors.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** From "/v1" on. */
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string;
  readonly timeoutMs: number;
}

const replyBytesMax = 64 * 1024 * 1024;

export class HttpClient {
  readonly #base: URL;
  #agent: http.Agent | undefined;
  readonly #clock: Clock;

  /** @throws MayflyError INVALID_ARGUMENT when `url` is no http URL */
  constructor(url: string, clock: Clock = systemClock) {
    this.#clock = clock;
    const base = URL.canParse(url) ? new URL(url) : undefined;
    if (base?.protocol !== "http:") {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `${JSON.stringify(url)} is no controller URL; it looks like http://127.0.0.1:7400.`,
      );
    }
    this.#base = base;
  }

  get url(): string {
    return this.#base.href;
  }

  /** The parsed JSON body. @throws MayflyError the controller's own error, or CONTROLLER_UNREACHABLE */
  async json(request: HttpRequest): Promise<unknown> {
    const { bytes } = await this.bytes(request);
    try {
      return bytes.length === 0 ? undefined : JSON.parse(bytes.toString("utf8"));
    } catch (cause) {
      throw new MayflyError(
        "PROTOCOL",
        `The controller at ${this.url} answered with something that is no JSON.`,
        {
          cause,
        },
      );
    }
  }

  async bytes(request: HttpRequest): Promise<{ status: number; bytes: Buffer }> {
    // Most functions never call the controller, and loading HTTP takes longer than their first read.
    const { default: client } = await import("node:http");
    this.#agent ??= new client.Agent({ keepAlive: true, maxSockets: 4 });
    const agent = this.#agent;
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const headers: http.OutgoingHttpHeaders = {
      ...(body && { "content-type": "application/json", "content-length": body.length }),
      ...(request.token !== undefined && { authorization: `Bearer ${request.token}` }),
    };
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        cancelTimer();
        reject(this.#unreachable(error));
      };
      const outgoing = client.request(
        new URL(request.path, this.#base),
        { method: request.method, headers, agent },
        (incoming) => {
          collect(incoming).then((bytes) => {
            cancelTimer();
            const status = incoming.statusCode ?? 0;
            if (status >= 400) reject(errorOf(status, bytes));
            else resolve({ status, bytes });
          }, fail);
        },
      );
      // Of the whole exchange: an answer that trickles is late too.
      const cancelTimer = this.#clock.after(request.timeoutMs, () => {
        fail(new Error(`no answer within ${request.timeoutMs} ms`));
        outgoing.destroy();
      });
      outgoing.on("error", fail);
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent?.destroy();
  }

  #unreachable(cause: unknown): MayflyError {
    if (cause instanceof MayflyError) return cause;
    const why =
      cause instanceof Error ? (cause as NodeJS.ErrnoException).code || cause.message : String(cause);
    return new MayflyError(
      "CONTROLLER_UNREACHABLE",
      `The controller at ${this.url} cannot be reached (${why}). Is it running? Start one with \`mayfly dev\`, or name ` +
        "another with --controller URL or MAYFLY_CONTROLLER.",
      { cause },
    );
  }
}

async function collect(incoming: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > replyBytesMax) throw new MayflyError("TOO_LARGE", "The controller's answer is too large.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function errorOf(status: number, bytes: Buffer): MayflyError {
  try {
    const body: unknown = JSON.parse(bytes.toString("utf8"));
    if (
      typeof body === "object" &&
      body !== null &&
      "code" in body &&
      "message" in body &&
      isErrorCode(body.code)
    ) {
      const retryAfterMs = "retryAfterMs" in body ? Number(body.retryAfterMs) : undefined;
      return new MayflyError(
        body.code,
        String(body.message),
        retryAfterMs === undefined ? {} : { retryAfterMs },
      );
    }
  } catch {
    // Not JSON: something else listens there.
  }
  const text = bytes.toString("utf8").slice(0, 200);
  return new MayflyError("PROTOCOL", `What listens there is no Mayfly controller: HTTP ${status} ${text}`);
}
