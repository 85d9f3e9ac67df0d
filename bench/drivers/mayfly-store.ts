/** Mayfly as its users call it. */
import { connect } from "../../client/connect.ts";
import { type KvStore, type StoreTarget, targetText } from "../peers/kv-store.ts";

export async function openMayfly(target: StoreTarget): Promise<KvStore> {
  const job = await connect(targetText(target, "ticket"));
  return {
    put: (key, data) => job.put(key, data),
    get: (key) => job.get(key),
    getInto: (key, into) => job.get(key, { into }),
    async close() {
      job.close();
    },
  };
}
