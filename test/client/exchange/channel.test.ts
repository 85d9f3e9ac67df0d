import { expect, test } from "vitest";
import type { Channel, ChannelMessage } from "../../../client/index.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { fleetForFile } from "./fleet-for-file.ts";

const shared = fleetForFile();
const soon = { timeoutMs: 1000 };

async function received(channel: Channel, options = soon): Promise<ChannelMessage[]> {
  const messages: ChannelMessage[] = [];
  for await (const message of channel.receive(options)) messages.push(message);
  return messages;
}

const texts = (messages: readonly ChannelMessage[]): string[] => messages.map(({ data }) => String(data));

test("messages are received in the order in which they were sent, also by who comes later", async () => {
  const [sender, receiver] = await shared.clients(2);
  const box = sender!.channel("box");
  for (let i = 0; i < 100; i++) {
    expect(await box.send(`message ${i}`)).toEqual({ number: i + 1, isNew: true });
  }
  const messages = await received(receiver!.channel("box"));
  expect(texts(messages)).toEqual(Array.from({ length: 100 }, (_, i) => `message ${i}`));
  expect(messages.map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(await box.waiting()).toBe(100);
});

test("who receives before anybody sends gets the message when it is sent", async () => {
  const [sender, receiver] = await shared.clients(2);
  const waiting = receiver!.channel("box").receive({ timeoutMs: 10_000 }).next();
  await sender!.channel("box").send("at last");
  const next = await waiting;
  expect(String((next.value as ChannelMessage).data)).toBe("at last");
});

test("what is acknowledged is gone; who begins anew gets what is not", async () => {
  const [job] = await shared.clients(1);
  const box = job!.channel("box");
  for (const text of ["a", "b", "c"]) await box.send(text);
  for await (const message of box.receive(soon)) {
    if (String(message.data) === "b") await message.ack();
  }
  expect(texts(await received(box))).toEqual(["a", "c"]);
  for (const message of await received(box)) {
    await message.ack();
    await message.ack();
  }
  expect(await box.waiting()).toBe(0);
  expect(await received(box)).toEqual([]);
});

test("a message with an id is taken once, from whoever it comes, also after it was acknowledged", async () => {
  const [first, second] = await shared.clients(2);
  const box = first!.channel("box");
  expect(await box.send("state", { id: "task:0" })).toEqual({ number: 1, isNew: true });
  expect(await second!.channel("box").send("state", { id: "task:0" })).toEqual({ number: 1, isNew: false });
  const [message] = await received(box);
  expect([message!.id, String(message!.data)]).toEqual(["task:0", "state"]);
  await message!.ack();
  expect(await second!.channel("box").send("state", { id: "task:0" })).toEqual({ number: 1, isNew: false });
  expect(await second!.channel("box").send("next", { id: "task:1" })).toEqual({ number: 2, isNew: true });
  expect(texts(await received(box))).toEqual(["next"]);
});

test("large messages are objects, and go with their acknowledgement or when they were sent before", async () => {
  const [job] = await shared.clients(1);
  const box = job!.channel("box");
  const bytes = anyBytes(700_000);
  await box.send(bytes, { id: "large" });
  await box.send(bytes, { id: "large" });
  const keys = async (): Promise<number> => {
    let count = 0;
    for await (const { sizeBytes } of job!.list("mf:channel/box/"))
      count += Number(sizeBytes === bytes.length);
    return count;
  };
  expect(await keys()).toBe(1);
  const [message] = await received(box);
  expect(bytes.equals(message!.data)).toBe(true);
  await message!.ack();
  expect(await keys()).toBe(0);
});

test("messages of all sizes around the largest that fits a cell come through", async () => {
  const [job] = await shared.clients(1);
  const box = job!.channel("box");
  for (const bytes of [0, 1, 16_370, 16_380, 16_381, 16_382, 16_383, 16_384, 16_385]) {
    const data = anyBytes(bytes);
    await box.send(data, { id: `of ${bytes}` });
    const [message] = await received(box);
    expect(data.equals(message!.data), `${bytes}`).toBe(true);
    await message!.ack();
  }
});

test("who sends more than there is room for waits until something is acknowledged", async () => {
  const [sender, receiver] = await shared.clients(2);
  const box = sender!.channel("box", { capacity: 2 });
  await box.send("a");
  await box.send("b");
  await expect(box.send("c", { timeoutMs: 1000 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  const sending = box.send("d", { timeoutMs: 10_000 });
  const [first] = await received(receiver!.channel("box"));
  await first!.ack();
  expect((await sending).isNew).toBe(true);
  expect(texts(await received(receiver!.channel("box")))).toEqual(["b", "d"]);
});

test("a closed channel takes nothing more, and its receivers end behind the last message", async () => {
  const [sender, receiver] = await shared.clients(2);
  const box = sender!.channel("box");
  const ending = received(receiver!.channel("box"), { timeoutMs: 30_000 });
  await box.send("last", { id: "last" });
  await box.close();
  await box.close();
  expect(texts(await ending)).toEqual(["last"]);
  await expect(box.send("more")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect((await box.send("last", { id: "last" })).isNew).toBe(false);
  expect(await box.waiting()).toBe(1);
});

test("what can be no channel, id or message is refused", async () => {
  const [job] = await shared.clients(1);
  const refused = { code: "INVALID_ARGUMENT" };
  await expect(job!.channel("").send("x")).rejects.toMatchObject(refused);
  await expect(job!.channel("a", { capacity: 0 }).send("x")).rejects.toMatchObject(refused);
  await expect(job!.channel("a").send("x", { id: "i".repeat(513) })).rejects.toMatchObject(refused);
  await expect(job!.channel("a").send(7 as never)).rejects.toMatchObject(refused);
  await job!.put("mf:channel/taken", "x");
  await expect(job!.channel("taken").send("x")).rejects.toMatchObject({ code: "WRONG_TYPE" });
  const stopped = AbortSignal.abort();
  await expect(job!.channel("a").receive({ signal: stopped }).next()).rejects.toMatchObject({
    code: "ABORTED",
  });
});
