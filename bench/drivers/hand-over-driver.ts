/** One of two functions that hand a message to each other: `hand-over-driver.js <target as JSON>`. */
import { randomFillSync } from "node:crypto";
import { machineMs } from "../harness/operation-log.ts";
import { quantile } from "../harness/statistics.ts";
import { type MailTarget, openMailboxes } from "../peers/mailboxes.ts";
import { answerRequests } from "./answer-requests.ts";
import type { HandOverRequest, HandOvers } from "./exchange-messages.ts";

await answerRequests<MailTarget, HandOverRequest>(async (target) => {
  return async ({ ask, name, messageBytes, roundTrips }): Promise<HandOvers | undefined> => {
    const boxes = await openMailboxes(target);
    const [there, back] = [`${name}/there`, `${name}/back`];
    if (ask === "serve") {
      const receiver = boxes.receiver(there);
      for (let trip = 0; trip < roundTrips; trip++) await boxes.send(back, bufferOf(await receiver.next()));
      await boxes.close();
      return undefined;
    }
    const receiver = boxes.receiver(back);
    const message = randomFillSync(Buffer.alloc(messageBytes));
    const halves = new Float64Array(roundTrips);
    for (let trip = 0; trip < roundTrips; trip++) {
      message.writeUInt32LE(trip);
      const beganMs = machineMs();
      await boxes.send(there, message);
      const answer = await receiver.next();
      halves[trip] = (machineMs() - beganMs) / 2;
      if (!message.equals(answer)) throw new Error(`${name}: message ${trip} came back as another one`);
    }
    await boxes.close();
    const all = [...halves];
    return { p50Ms: quantile(all, 0.5), p99Ms: quantile(all, 0.99) };
  };
});

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
