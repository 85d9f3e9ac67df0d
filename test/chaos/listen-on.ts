import { once } from "node:events";
import type net from "node:net";

/** Listens on a free port of this address and gives the port. */
export async function listenOn(server: net.Server, host: string): Promise<number> {
  server.listen(0, host);
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}
