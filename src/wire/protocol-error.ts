import { MayflyError } from "../errors.ts";

/** The peer broke the wire format. After it nothing on that connection can be trusted to be in step: close it. */
export function protocolError(detail: string): MayflyError {
  return new MayflyError("PROTOCOL", `Protocol error: ${detail}`);
}

/** A byte of hostile input as something that can stand in a log line. */
export function printableByte(byte: number): string {
  return byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `byte ${byte}`;
}
