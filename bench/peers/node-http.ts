/**
 * The limit of any HTTP server in Node: a bare `node:http` that reads each request and answers with bytes it was given.
 * Run by itself it is that server: `node-http.js <HttpAnswers as JSON>`.
 */
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { coresForBench, spawnPinned } from "../harness/processes.ts";

/** What is answered, by method. */
export type HttpAnswers = Readonly<Record<string, { readonly contentType: string; readonly base64: string }>>;

export interface NodeHttp {
  readonly url: string;
  stop(): Promise<void>;
}

const self = fileURLToPath(import.meta.url);

/** @throws Error when it does not start */
export async function startNodeHttp(answers: HttpAnswers): Promise<NodeHttp> {
  const server = await spawnPinned({
    command: process.execPath,
    args: [self, JSON.stringify(answers)],
    cores: coresForBench()?.servers,
  });
  try {
    const line = await server.line(/^http:/);
    return { url: line.trim(), stop: () => server.stop() };
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}

function serve(answers: HttpAnswers): void {
  const prepared = new Map(
    Object.entries(answers).map(([method, { contentType, base64 }]) => {
      const bytes = Buffer.from(base64, "base64");
      return [
        method,
        { bytes, headers: { "content-type": contentType, "content-length": bytes.length } },
      ] as const;
    }),
  );
  const server = createServer((request, response) => {
    const { bytes, headers } = prepared.get(request.method ?? "")!;
    request.resume().once("end", () => response.writeHead(200, headers).end(bytes));
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (typeof address === "object") process.stdout.write(`http://127.0.0.1:${address?.port}\n`);
  });
}

if (process.argv[1] === self) serve(JSON.parse(process.argv[2] ?? "{}") as HttpAnswers);
