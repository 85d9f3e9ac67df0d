/**
 * The other end of raw-tcp.ts, a process of its own: keeps one value and speaks as raw-tcp.ts says. Started with an IPC
 * channel, it tells its port and ends with the one who started it.
 */
import { connect, createServer, type Socket } from "node:net";
import { readRequests, requestBytes, requestKinds, valueBytesMax } from "./raw-tcp-requests.ts";

// Touched before it is measured.
const value = Buffer.alloc(valueBytesMax, 1);
const acknowledgement = Buffer.from([1]);

function serveReads(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  readRequests(socket, (kind, operand) => {
    if (kind === requestKinds.get && operand <= valueBytesMax) socket.write(value.subarray(0, operand));
    else if (kind === requestKinds.dial && operand < 65536) takeWrites(operand);
    else socket.destroy();
  });
}

/** Only a socket that we connect ourselves can be told where to receive. */
function takeWrites(port: number): void {
  const header = Buffer.alloc(requestBytes);
  let place = header;
  let at = 0;
  const received = (bytes: number): boolean => {
    at += bytes;
    if (at < place.length) return true;
    if (place === header) {
      place = value.subarray(0, Math.min(header.readUInt32LE(4), valueBytesMax));
    } else {
      place = header;
      socket.write(acknowledgement);
    }
    at = 0;
    return true;
  };
  const socket = connect({
    ...{ port, host: "127.0.0.1", noDelay: true },
    onread: { buffer: () => place.subarray(at), callback: received },
  });
  socket.on("error", () => socket.destroy());
}

const server = createServer(serveReads);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) process.send?.({ port: address.port });
});
process.once("disconnect", () => process.exit(0));
