/** Shuffles of Mayfly as its users call them. */
import { connect } from "../../client/connect.ts";
import { Connection } from "../../client/transport/connection.ts";
import type { ShuffleStore } from "./shuffle-store.ts";

export async function openMayflyShuffles(ticket: string): Promise<ShuffleStore> {
  const requests = countRequests();
  const job = await connect(ticket);
  return {
    shuffle: ({ name, maps, partitions }) => job.shuffle(name, { maps, partitions }),
    requests,
    async close() {
      job.close();
    },
  };
}

/** Requests to nodes by all clients of this process, from now on. */
function countRequests(): () => number {
  let sent = 0;
  const { request } = Connection.prototype;
  Connection.prototype.request = function (this: Connection, ...all): ReturnType<typeof request> {
    sent += 1;
    return request.apply(this, all);
  };
  return () => sent;
}
