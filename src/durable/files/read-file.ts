/** Reads a range of a file: a large one from the disk directly. */
import type { FileHandle } from "node:fs/promises";
import { MayflyError } from "../../errors.ts";
import { type OpenCall, reasonOf } from "../store-calls.ts";
import { alignDown, alignUp, directBytesMin, openDirect, Stage, stageBytes } from "./direct-io.ts";

/** The deadline is looked at between two reads. */
const stepBytes = 8 * 2 ** 20;

/** Fills the target with the bytes from `start` on. @throws MayflyError DAMAGED when the file ends before; the reason of the call */
export async function readRange(
  handle: FileHandle,
  target: Uint8Array,
  start: number,
  { signal, what }: Pick<OpenCall, "signal" | "what">,
): Promise<void> {
  let at = target.byteLength < directBytesMin ? 0 : await readDirect(handle, target, start, signal);
  while (at < target.byteLength) {
    if (signal.aborted) throw reasonOf(signal);
    const step = Math.min(stepBytes, target.byteLength - at);
    const { bytesRead } = await handle.read(target, at, step, start + at);
    // Objects are replaced, never cut: somebody else has had a hand in it.
    if (bytesRead === 0)
      throw new MayflyError("DAMAGED", `${what}: the file ends ${target.byteLength - at} bytes early.`);
    at += bytesRead;
  }
}

/** @returns how many bytes came: less than all where the file cannot be read so, or ends */
async function readDirect(
  handle: FileHandle,
  target: Uint8Array,
  start: number,
  signal: OpenCall["signal"],
): Promise<number> {
  const stage = Stage.take();
  if (stage === undefined) return 0;
  // This very file, which may have another name by now, or none.
  const direct = await openDirect(`/proc/self/fd/${handle.fd}`, "read");
  let at = 0;
  try {
    while (direct !== undefined && at < target.byteLength) {
      if (signal.aborted) throw reasonOf(signal);
      const from = alignDown(start + at);
      const length = Math.min(stageBytes, alignUp(start + target.byteLength) - from);
      const { bytesRead } = await direct.read(stage.bytes, 0, length, from).catch(() => ({ bytesRead: 0 }));
      const skip = start + at - from;
      const came = Math.min(bytesRead - skip, target.byteLength - at);
      if (came <= 0) break;
      target.set(stage.bytes.subarray(skip, skip + came), at);
      at += came;
    }
    return at;
  } finally {
    stage.giveBack();
    await direct?.close();
  }
}
