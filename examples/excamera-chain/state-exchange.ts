/** How links of a chain hand over their states: the interface, so that a benchmark can put others in its place, and Mayfly's. */
import { type Job, MayflyError } from "mayfly";

export interface StateMessage {
  readonly data: Uint8Array;
  /** The message was dealt with: nobody gets it again. */
  done(): Promise<void>;
}

export interface StateExchange {
  /** Resolves when the message for link `to` is stored. It may be sent again by another attempt, which changes nothing. */
  send(to: number, data: Uint8Array): Promise<void>;
  /** The message for link `at`. @throws MayflyError DEADLINE_EXCEEDED */
  receive(at: number, timeoutMs: number): Promise<StateMessage>;
}

/**
 * A channel for each link: who receives waits on the server, and states of this size are objects by themselves.
 * @param name of the chain, where a job has several
 */
export function mayflyExchange(job: Job, name = "state"): StateExchange {
  const channel = (link: number) => job.channel(`${name}-${link}`);
  return {
    async send(to, data) {
      await channel(to).send(data, { id: `state-${to}` });
    },
    async receive(at, timeoutMs) {
      for await (const message of channel(at).receive({ timeoutMs })) {
        return { data: message.data, done: () => message.ack() };
      }
      throw new MayflyError("DEADLINE_EXCEEDED", `no state came for link ${at} within ${timeoutMs} ms`);
    },
  };
}

const stampBytes = 8;

/** The time at which it is sent, and the state. */
export function packState(sentAtMs: number, state: Uint8Array): Uint8Array {
  const data = new Uint8Array(stampBytes + state.length);
  new DataView(data.buffer).setFloat64(0, sentAtMs);
  data.set(state, stampBytes);
  return data;
}

/** @throws MayflyError DAMAGED */
export function unpackState(
  data: Uint8Array,
  stateBytes: number,
): { readonly sentAtMs: number; readonly state: Uint8Array } {
  if (data.length !== stampBytes + stateBytes) {
    const why = `a state of ${data.length - stampBytes} bytes came, and frames have ${stateBytes}`;
    throw new MayflyError("DAMAGED", why);
  }
  const sentAtMs = new DataView(data.buffer, data.byteOffset).getFloat64(0);
  return { sentAtMs, state: data.subarray(stampBytes) };
}
