/** A file that is written from its beginning to its end: what is large goes to the disk directly. */
import type { FileHandle } from "node:fs/promises";
import { type OpenCall, reasonOf } from "../store-calls.ts";
import { alignDown, directBytesMin, openDirect, Stage } from "./direct-io.ts";
import { isErrno } from "./durable-folder.ts";

/** The deadline is looked at between two writes. */
const stepBytes = 8 * 2 ** 20;

export class AppendFile {
  readonly #path: string;
  readonly #plain: FileHandle;
  #direct: FileHandle | undefined;
  #stage: Stage | undefined;
  #mayStage = true;
  /** Bytes that are gathered in the stage. */
  #staged = 0;
  /** Bytes of the file that were written. */
  #written = 0;

  constructor(path: string, plain: FileHandle) {
    this.#path = path;
    this.#plain = plain;
  }

  /** Pieces may change afterwards. @throws the reason of the call when it is over; what the file system says */
  async append(pieces: readonly Uint8Array[], call: Pick<OpenCall, "signal">): Promise<number> {
    let bytes = 0;
    for (const piece of pieces) {
      for (let at = 0; at < piece.byteLength; ) at += await this.#add(piece.subarray(at), call);
      bytes += piece.byteLength;
    }
    return bytes;
  }

  /** All of it is on the disk when this resolves. */
  async end(): Promise<void> {
    const whole = this.#staged >= directBytesMin || this.#direct !== undefined ? alignDown(this.#staged) : 0;
    const left = await this.#writeStage(whole);
    if (left !== undefined) await this.#write(left);
    await this.#plain.datasync();
  }

  async close(): Promise<void> {
    this.#stage?.giveBack();
    this.#stage = undefined;
    await this.#direct?.close();
  }

  /** @returns how many bytes were taken */
  async #add(piece: Uint8Array, { signal }: Pick<OpenCall, "signal">): Promise<number> {
    if (this.#mayStage) this.#stage ??= Stage.take();
    if (this.#stage === undefined) {
      this.#mayStage = false;
      if (signal.aborted) throw reasonOf(signal);
      const step = piece.subarray(0, stepBytes);
      await this.#write(step);
      return step.byteLength;
    }
    const { bytes } = this.#stage;
    const part = piece.subarray(0, bytes.byteLength - this.#staged);
    bytes.set(part, this.#staged);
    this.#staged += part.byteLength;
    if (this.#staged === bytes.byteLength) {
      if (signal.aborted) throw reasonOf(signal);
      const left = await this.#writeStage(this.#staged);
      if (left !== undefined) await this.#write(left);
    }
    return part.byteLength;
  }

  /** The first bytes of the stage directly. @returns what of the stage is not written yet; it is empty from now on */
  async #writeStage(bytes: number): Promise<Uint8Array | undefined> {
    const staged = this.#stage?.bytes.subarray(0, this.#staged);
    this.#staged = 0;
    if (staged === undefined) return undefined;
    let done = 0;
    if (bytes > 0 && this.#written === alignDown(this.#written)) {
      this.#direct ??= await openDirect(this.#path, "write");
      done =
        this.#direct === undefined ? 0 : await this.#writeDirect(this.#direct, staged.subarray(0, bytes));
    }
    return done === staged.byteLength ? undefined : staged.subarray(done);
  }

  async #writeDirect(direct: FileHandle, bytes: Uint8Array): Promise<number> {
    try {
      const { bytesWritten } = await direct.write(bytes, 0, bytes.byteLength, this.#written);
      const aligned = alignDown(bytesWritten);
      this.#written += aligned;
      return aligned;
    } catch (thrown) {
      // The file system opens files for that and does not write them so.
      if (!isErrno(thrown, "EINVAL")) throw thrown;
      return 0;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) {
      const { bytesWritten } = await this.#plain.write(bytes, at, bytes.byteLength - at, this.#written);
      at += bytesWritten;
      this.#written += bytesWritten;
    }
  }
}
