// Stands in for the CLI's `node` verb: listens, registers, says that it is ready, and leaves when asked to. The memory
// size says how it misbehaves: 1 exits at once, 2 never gets ready, 3 does not listen to SIGTERM.
// @ts-check
import { once } from "node:events";
import { createServer } from "node:net";

const [verb, ...rest] = process.argv.slice(2);
const options = Object.fromEntries(rest.flatMap((arg, i) => (i % 2 === 0 ? [[arg, rest[i + 1]]] : [])));
const memoryBytes = Number(options["--memory"]);
if (verb !== "node" || options["--port"] !== "0" || !process.connected) process.exit(9);
process.on("disconnect", () => process.exit(0));

if (memoryBytes === 1) {
  process.stderr.write("there is not enough memory\n");
  process.exit(3);
}

/** @param {string} path @param {unknown} body */
async function post(path, body) {
  const headers = { "content-type": "application/json" };
  const url = options["--controller"] + path;
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  return await response.json();
}

if (memoryBytes !== 2) {
  const host = options["--host"];
  const zone = options["--zone"] ?? "";
  // Where nobody listens the controller would take it for dead.
  const server = createServer((socket) => socket.destroy()).listen(0, host);
  await once(server, "listening");
  const address = server.address();
  const { nodeId } = await post("/v1/nodes", {
    host,
    port: typeof address === "object" ? address?.port : 0,
    memoryBytes,
    zone,
    pid: process.pid,
  });
  process.on("SIGTERM", async () => {
    if (memoryBytes === 3) return;
    await post(`/v1/nodes/${nodeId}/leave`, {});
    process.exit(0);
  });
  process.stdout.write("{not yet\nstarting\n");
  process.stdout.write('{"ready":{"node":');
  setTimeout(() => process.stdout.write(`${nodeId}}}\n`), 20);
}
