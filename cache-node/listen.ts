import type net from "node:net";
import { MayflyError } from "../src/errors.ts";

/** Resolves once the server takes connections. @throws MayflyError PORT_IN_USE, INVALID_ARGUMENT */
export function listen(server: net.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") {
        const message = `Port ${port} on ${host} is taken; give another with --port, or 0 to let the kernel pick one.`;
        reject(new MayflyError("PORT_IN_USE", message, { cause: error }));
      } else {
        reject(
          new MayflyError("INVALID_ARGUMENT", `Cannot listen on ${host}:${port}: ${error.message}`, {
            cause: error,
          }),
        );
      }
    });
    server.listen({ host, port, backlog: 1024 }, () => {
      // A connection that cannot be accepted (no file descriptors left) must not end the process.
      server.on("error", () => undefined);
      resolve();
    });
  });
}
