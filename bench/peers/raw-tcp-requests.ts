/** What raw-tcp.ts and its server say to one another besides the bytes of values. */
import type { Socket } from "node:net";

/**
 * A request, little-endian; values are answered and sent without any header:
 *
 *     0  kind     u32   get: answered by `operand` bytes; put: `operand` bytes follow, answered by one byte;
 *                       dial: connect to port `operand` of this machine and take puts there
 *     4  operand  u32
 */
export const requestBytes = 8;
export const requestKinds = { get: 0, put: 1, dial: 2 } as const;
export const valueBytesMax: number = 64 * 1024 * 1024;

export function encodeRequest(kind: number, operand: number): Buffer {
  const request = Buffer.allocUnsafe(requestBytes);
  request.writeUInt32LE(kind, 0);
  request.writeUInt32LE(operand, 4);
  return request;
}

/** Calls `handle` for each request that arrives, however it is cut in pieces. */
export function readRequests(socket: Socket, handle: (kind: number, operand: number) => void): void {
  const request = Buffer.alloc(requestBytes);
  let filled = 0;
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(request, filled, at);
      at += copied;
      filled += copied;
      if (filled < requestBytes) continue;
      filled = 0;
      handle(request.readUInt32LE(0), request.readUInt32LE(4));
    }
  });
}
