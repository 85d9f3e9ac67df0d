/** Values of the load as the history knows them: by their numbers. */
import type { GetOptions } from "../../../client/index.ts";
import type { StoredOperation } from "../../history/no-loss.ts";
import { checkBytes, makeBytes } from "../../history/seeded-bytes.ts";
import type { LoadClient } from "./load-client.ts";

type Result = NonNullable<StoredOperation["result"]>;

interface PutOf {
  readonly key: string;
  readonly sizeBytes: number;
  readonly timeoutMs: number;
  readonly ifAbsent?: true;
}

export function putValue(client: LoadClient, put: PutOf): Promise<StoredOperation["result"]> {
  const { key, sizeBytes, timeoutMs, ifAbsent } = put;
  const number = client.nextNumber();
  const bytes = makeBytes({ key, number, sizeBytes });
  const condition = ifAbsent === true ? ({ ifAbsent } as const) : {};
  return client.call({
    ...{ key, timeoutMs },
    op: { kind: "put", value: String(number), ...condition },
    run: async () => {
      const { version } = await client.job.put(key, bytes, { timeoutMs, ...condition });
      return { kind: "written", ...(version !== undefined && { version }) };
    },
  });
}

/** Reads all of it, or the range, and checks every byte. */
export function getValue(
  client: LoadClient,
  key: string,
  options: GetOptions & { readonly timeoutMs: number },
): Promise<StoredOperation["result"]> {
  const { timeoutMs, waitMs = 0, range } = options;
  return client.call({
    ...{ key, timeoutMs, op: { kind: "get" }, absentNotBeforeMs: Math.max(0, waitMs - 1000) },
    run: async () => {
      const bytes = await client.job.get(key, options);
      return checkedValue(key, bytes, range?.start, range !== undefined);
    },
  });
}

export function deleteValue(
  client: LoadClient,
  key: string,
  timeoutMs: number,
): Promise<StoredOperation["result"]> {
  return client.call({
    ...{ key, timeoutMs, op: { kind: "delete" } },
    run: async () => ({ kind: (await client.job.delete(key, { timeoutMs })) ? "deleted" : "absent" }),
  });
}

function checkedValue(key: string, bytes: Uint8Array, offset = 0, isRange = false): Result {
  const checked = checkBytes(key, bytes, offset, isRange);
  return checked.right
    ? { kind: "value", value: String(checked.number) }
    : { kind: "wrong-bytes", what: checked.what };
}
