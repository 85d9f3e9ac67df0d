/**
 * Sockets whose bytes are received straight into their final place. The only module that touches private Node
 * API (`socket._handle`), and only where Node has no public way:
 *
 * - an accepted socket gets an `onread` buffer by moving its handle to a new socket;
 * - a receive is redirected away from a caller's buffer while it is under way.
 *
 * Where the private API is missing or has changed, both fall back to public behaviour: an accepted socket copies
 * its chunks (`data` events), and a receive that cannot be redirected ends its connection.
 */
import net from "node:net";

/** One side of a decoder: tells where the next bytes go, and is told how many came. */
export interface ByteSink {
  /** The rest of the body being received, or undefined when the next bytes are to be parsed. */
  directTarget(): Uint8Array | undefined;
  directReceived(byteCount: number): void;
  /** The chunk's memory is reused when this returns. */
  feed(chunk: Uint8Array): void;
}

interface PrivateHandle {
  useUserBuffer?: (buffer: Uint8Array) => void;
}

const scratchBytes = 64 * 1024;
/** Shared by all sockets of the process: a chunk is parsed before the next one is read. */
const scratch = Buffer.allocUnsafeSlow(scratchBytes);

function handleOf(socket: net.Socket): PrivateHandle | undefined {
  const handle = (socket as unknown as { _handle?: PrivateHandle | null })._handle ?? undefined;
  return typeof handle?.useUserBuffer === "function" ? handle : undefined;
}

/** Feeds one socket's bytes to one reader; `fail` gets what the reader throws (the caller ends the socket). */
export class DirectReceiver {
  readonly #reader: ByteSink;
  readonly #fail: (error: unknown) => void;
  #direct = false;

  constructor(reader: ByteSink, fail: (error: unknown) => void) {
    this.#reader = reader;
    this.#fail = fail;
  }

  connect(address: { readonly host: string; readonly port: number }): net.Socket {
    return net.connect({ host: address.host, port: address.port, noDelay: true, onread: this.#onread() });
  }

  /**
   * Takes over a socket that a server accepted with `pauseOnConnect: true`, and starts reading it. Returns the
   * socket to use from now on: another one where the handle could be moved, the same one in the fallback
   * (`plain` asks for the fallback, for tests).
   */
  adopt(accepted: net.Socket, plain = false): net.Socket {
    const handle = plain ? undefined : handleOf(accepted);
    if (handle === undefined) {
      accepted.on("data", (chunk: Buffer) => this.#received(() => this.#reader.feed(chunk)));
      accepted.setNoDelay(true);
      accepted.resume();
      return accepted;
    }
    (accepted as unknown as { _handle: PrivateHandle | null })._handle = null;
    const options = { handle, onread: this.#onread() };
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
    socket.setNoDelay(true);
    socket.on("close", () => accepted.destroy());
    socket.read(0);
    return socket;
  }

  /**
   * After the reader's direct target changed under it: makes the next bytes go to the new place. False if this
   * Node cannot; then the socket must be destroyed before the old target may be used for anything else.
   */
  retarget(socket: net.Socket): boolean {
    const handle = handleOf(socket);
    if (handle?.useUserBuffer === undefined) return false;
    handle.useUserBuffer(this.#nextBuffer());
    return true;
  }

  #nextBuffer(): Uint8Array {
    const target = this.#reader.directTarget();
    this.#direct = target !== undefined;
    return target ?? scratch;
  }

  #onread(): net.OnReadOpts {
    return {
      buffer: () => this.#nextBuffer(),
      callback: (byteCount) => {
        if (this.#direct) this.#received(() => this.#reader.directReceived(byteCount));
        else this.#received(() => this.#reader.feed(scratch.subarray(0, byteCount)));
        return true;
      },
    };
  }

  #received(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#fail(error);
    }
  }
}
