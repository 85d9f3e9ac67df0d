/** A put that is acknowledged once the object store has the bytes: written like any other, and committed by way of the store. */
import { MayflyError } from "../../src/errors.ts";
import { inlineObject, Ref, type StoredPlace } from "../../src/wire/ref.ts";
import { inlineBytesMax, stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import { type CellWrite, conditionText, mutate } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { stripesOfBytes } from "../objects/stripe-source.ts";
import { type ObjectWrite, writeObject } from "../objects/write-object.ts";
import type { Argument } from "../transport/connection.ts";
import type { Deadline } from "../transport/deadline.ts";
import { storeTimeoutMs } from "./store-timeout.ts";

/**
 * @throws MayflyError STORE_UNAVAILABLE, STORE_REFUSED, INVALID_ARGUMENT where the fleet has no store; and what any put throws. The
 * key then holds what it held.
 */
export async function putDurable(
  context: ClientContext,
  data: Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  common: Pick<ObjectWrite, "key" | "condition" | "ttlMs">,
  deadline: Deadline,
): Promise<Ref> {
  const { code } = context;
  let whole = data instanceof Uint8Array ? data : undefined;
  let stripes: ObjectWrite["stripes"] = [];
  if (data instanceof Uint8Array) stripes = stripesOfBytes(data, code);
  else {
    const { stripesOfStream } = await import("../objects/stream-source.ts");
    ({ whole, stripes } = await stripesOfStream(data, stripeBytesMax(code), inlineBytesMax, deadline));
  }
  let stored: StoredPlace | undefined;
  const commit = async (_: ClientContext, cell: CellWrite): Promise<string> => {
    const made = await storeCell(context, cell, deadline);
    if (made.name !== "") stored = { name: made.name, offset: 0, layout: "plain" };
    return made.version;
  };
  if (whole !== undefined && whole.length <= inlineBytesMax) {
    const { key } = common;
    const version = await commit(context, { ...common, kind: "bytes", value: whole });
    const ref = { object: inlineObject, key, sizeBytes: whole.length, code, stripes: undefined, version };
    return new Ref({ ...ref, inline: true });
  }
  const ref = await writeObject(
    context,
    { ...common, stripes, ...(whole !== undefined && { whole }), commit },
    deadline,
  );
  return new Ref({ ...ref, stored });
}

async function storeCell(
  context: ClientContext,
  { key, kind, value, condition, ttlMs }: CellWrite,
  deadline: Deadline,
): Promise<{ version: string; name: string }> {
  // A copy: a request that is given up may still be on its way into the socket when the caller's memory changes.
  const args = [conditionText(condition), ttlMs, kind, key, Buffer.from(value)];
  const argsNow = (): readonly Argument[] => [...args, storeTimeoutMs(deadline)];
  const reply = await mutate(context, "MF.CELL.STORE", key, argsNow, deadline);
  const [version, name] = Array.isArray(reply) ? reply : [];
  if (typeof version === "string" && name instanceof Uint8Array) {
    return { version, name: Buffer.from(name).toString() };
  }
  throw new MayflyError("PROTOCOL", "A node answered MF.CELL.STORE with something that is no version.");
}
