/** Channels of Mayfly as mailboxes. */
import { connect } from "../../client/connect.ts";
import type { Mailboxes } from "./mailboxes.ts";

export async function openMayflyMailboxes(ticket: string): Promise<Mailboxes> {
  const job = await connect(ticket);
  const acknowledging = new Set<Promise<void>>();
  let failure: unknown;
  return {
    async send(name, data) {
      await job.channel(name).send(data);
    },
    receiver(name) {
      const messages = job.channel(name).receive();
      return {
        async next() {
          if (failure !== undefined) throw failure;
          const { done, value } = await messages.next();
          if (done) throw new Error(`nothing came to ${name}`);
          // What follows does not wait for it, as with whoever deals with a message first.
          const ack: Promise<void> = value
            .ack()
            .catch((thrown: unknown) => {
              failure ??= thrown;
            })
            .finally(() => acknowledging.delete(ack));
          acknowledging.add(ack);
          return value.data;
        },
      };
    },
    async close() {
      await Promise.all(acknowledging);
      job.close();
      if (failure !== undefined) throw failure;
    },
  };
}
