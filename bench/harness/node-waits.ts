/** Requests that cache nodes hold back until something happens, as their INFO says. */
import { connect } from "node:net";

/** @throws Error when a node does not listen, or says something else */
export async function waitsOf(
  nodes: readonly { readonly host: string; readonly port: number }[],
): Promise<number> {
  let sum = 0;
  for (const { host, port } of nodes) {
    const socket = connect({ host, port });
    socket.write("INFO\r\nQUIT\r\n");
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    const waits = /^blocked_clients:(\d+)\r$/m.exec(text)?.[1];
    if (waits === undefined) throw new Error(`INFO of ${host}:${port} has no blocked_clients`);
    sum += Number(waits);
  }
  return sum;
}
