/** Makes all keys with a prefix durable, each by its primary. */
import { MayflyError } from "../../src/errors.ts";
import { parseDurableName } from "../../src/wire/durable-name.ts";
import { durablePrefix } from "../../src/wire/stored-names.ts";
import type { ClientContext } from "../context.ts";
import { listKeys } from "../list-keys.ts";
import { askRow } from "../row-requests.ts";
import type { Argument } from "../transport/connection.ts";
import type { Deadline } from "../transport/deadline.ts";
import { eachOf } from "./each-of.ts";
import type { PersistOptions, PersistResult } from "./interfaces.ts";
import { storeTimeoutMs } from "./store-timeout.ts";

const keysInFlight = 32;
/** Begins the keys of what functions exchange. */
const exchangeBegin = "mf:";

export async function persistKeys(
  context: ClientContext,
  prefix: string | Uint8Array,
  { onProgress }: PersistOptions,
  deadline: Deadline,
): Promise<PersistResult> {
  const bytes = typeof prefix === "string" ? Buffer.from(prefix) : prefix;
  const isExchange = Buffer.from(bytes).toString("latin1").startsWith(exchangeBegin);
  let result: PersistResult = { objects: 0, bytes: 0, already: 0, skipped: 0, from: undefined };
  await eachOf(listKeys(context, bytes, deadline), keysInFlight, async ({ key, keyBytes }) => {
    if (!isExchange && key.startsWith(exchangeBegin)) return;
    const { state, sizeBytes, name } = await persistKey(context, keyBytes, deadline);
    if (state === "gone") return;
    const stored = parseDurableName(name);
    result = {
      objects: result.objects + Number(state === "made"),
      bytes: result.bytes + sizeBytes,
      already: result.already + Number(state === "there"),
      skipped: result.skipped + Number(state === "other"),
      from:
        result.from ?? (stored?.job === context.job ? durablePrefix(stored.fleet, stored.job) : undefined),
    };
    onProgress?.(result);
  });
  return result;
}

async function persistKey(
  context: ClientContext,
  key: Uint8Array,
  deadline: Deadline,
): Promise<{ state: string; sizeBytes: number; name: string }> {
  const argsOf = (epoch: string): readonly Argument[] => [epoch, storeTimeoutMs(deadline), key];
  const reply = await askRow(context, { key, command: "MF.CELL.PERSIST", argsOf }, deadline);
  const [state, sizeBytes, name] = Array.isArray(reply) ? reply : [];
  if (typeof state === "string" && typeof sizeBytes === "number" && name instanceof Uint8Array) {
    return { state, sizeBytes, name: Buffer.from(name).toString() };
  }
  throw new MayflyError("PROTOCOL", "A node answered MF.CELL.PERSIST with something else.");
}
