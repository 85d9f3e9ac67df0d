import { MayflyError } from "../../errors.ts";
import { isErrno } from "./durable-folder.ts";

/** These may pass: another process, or a full table of the system. */
const passing = [
  "EMFILE",
  "ENFILE",
  "EAGAIN",
  "EBUSY",
  "EINTR",
  "ETIMEDOUT",
  "EIO",
  "ESTALE",
  "ENOSPC",
  "EDQUOT",
];

export function isAbsent(thrown: unknown): boolean {
  return isErrno(thrown, "ENOENT", "ENOTDIR", "EISDIR");
}

/** What went wrong with a file, as an error of the store. What is absent is an object, unless the call makes one: then it is the folder. */
export function fileError(what: string, thrown: unknown, isWrite = false): MayflyError {
  if (thrown instanceof Error && thrown.name === "MayflyError") return MayflyError.from(thrown);
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  const error = (code: "NOT_FOUND" | "STORE_UNAVAILABLE" | "STORE_REFUSED", why: string): MayflyError =>
    new MayflyError(code, `${what}: ${why}`, { cause: thrown });
  if (!isWrite && isAbsent(thrown)) return error("NOT_FOUND", "there is no such object.");
  if (isErrno(thrown, "ENOSPC", "EDQUOT")) {
    return error("STORE_UNAVAILABLE", `the disk, or the quota on it, is full: ${reason}. Make room.`);
  }
  if (isErrno(thrown, ...passing)) return error("STORE_UNAVAILABLE", `${reason}.`);
  return error("STORE_REFUSED", `${reason}. Give a folder that this process may read and write.`);
}
