import http from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { HttpClient } from "../../client/http-client.ts";

async function startServer(answer: http.RequestListener): Promise<HttpClient> {
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const client = new HttpClient(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
  onTestFinished(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return client;
}

const get = { method: "GET", path: "/v1/x", timeoutMs: 5000 } as const;

test("sends JSON and a token, and gives back what came", async () => {
  const client = await startServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, token: headers.authorization, body: JSON.parse(text) }));
  });
  expect(await client.json({ ...get, method: "POST", body: { a: "ü" }, token: "secret" })).toEqual({
    ...{ method: "POST", url: "/v1/x", token: "Bearer secret", body: { a: "ü" } },
  });
});

test("the controller's own error comes back as it is", async () => {
  const client = await startServer((_request, response) => {
    response.writeHead(429).end(JSON.stringify({ code: "BUSY", message: "later", retryAfterMs: 40 }));
  });
  await expect(client.json(get)).rejects.toMatchObject({ code: "BUSY", message: "later", retryAfterMs: 40 });
});

test("what is no controller says so", async () => {
  const notFound = await startServer((_request, response) => void response.writeHead(404).end("<html>"));
  await expect(notFound.json(get)).rejects.toMatchObject({ code: "PROTOCOL", message: /HTTP 404 <html>/ });
  const unknownCode = await startServer((_request, response) => {
    response.writeHead(400).end(JSON.stringify({ code: "NONSENSE", message: "x" }));
  });
  await expect(unknownCode.json(get)).rejects.toMatchObject({ code: "PROTOCOL" });
  const noJson = await startServer((_request, response) => void response.end("hello"));
  await expect(noJson.json(get)).rejects.toMatchObject({ code: "PROTOCOL", message: /no JSON/ });
});

test("an empty answer is undefined", async () => {
  const client = await startServer((_request, response) => void response.writeHead(204).end());
  expect(await client.json(get)).toBeUndefined();
  expect(await client.bytes(get)).toMatchObject({ status: 204 });
});

test("nobody there, no answer in time, a broken answer: CONTROLLER_UNREACHABLE, with what to do", async () => {
  const nobody = new HttpClient("http://127.0.0.1:9");
  onTestFinished(() => nobody.close());
  await expect(nobody.json(get)).rejects.toMatchObject({
    code: "CONTROLLER_UNREACHABLE",
    message: /127\.0\.0\.1:9.*ECONNREFUSED.*mayfly dev/,
  });
  const silent = await startServer(() => undefined);
  await expect(silent.json({ ...get, timeoutMs: 50 })).rejects.toMatchObject({
    code: "CONTROLLER_UNREACHABLE",
    message: /no answer within 50 ms/,
  });
  const broken = await startServer((_request, response) => {
    response.writeHead(200, { "content-length": "100" }).write("x");
    setImmediate(() => response.destroy());
  });
  await expect(broken.json(get)).rejects.toMatchObject({ code: "CONTROLLER_UNREACHABLE" });
});

test("an answer that trickles does not keep a request beyond its time", async () => {
  const client = await startServer((_request, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(" "), 10);
    response.on("close", () => clearInterval(timer));
  });
  await expect(client.json({ ...get, timeoutMs: 100 })).rejects.toMatchObject({
    code: "CONTROLLER_UNREACHABLE",
  });
});

test("URLs that are none of a controller are refused", () => {
  for (const url of ["", "127.0.0.1:7400", "https://x", "ftp://x", "http//x"]) {
    expect(() => new HttpClient(url), url).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});
