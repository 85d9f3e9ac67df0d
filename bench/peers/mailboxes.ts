/** Mailboxes as the exchange scenario sees them: each has one sender and one receiver, in processes of their own. */
import type { ReplicatedRedis } from "./redis-mailboxes.ts";

export interface Mailboxes {
  /** Resolves when it would outlive the loss of two servers. */
  send(name: string, data: Buffer): Promise<void>;
  receiver(name: string): MailReceiver;
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}

export interface MailReceiver {
  /** The next message; those before are removed. @throws Error when none comes */
  next(): Promise<Uint8Array>;
}

/** Plain JSON. */
export type MailTarget = { readonly ticket: string } | { readonly redis: ReplicatedRedis };

/** Imports the client library of this target only. */
export async function openMailboxes(target: MailTarget): Promise<Mailboxes> {
  if ("redis" in target) return await (await import("./redis-mailboxes.ts")).openRedisMailboxes(target.redis);
  return await (await import("./mayfly-mailboxes.ts")).openMayflyMailboxes(target.ticket);
}
