import { expect, test } from "vitest";
import type { Job, TopicMessage } from "../../../client/index.ts";
import { until } from "../../support/until.ts";
import { fleetForFile } from "./fleet-for-file.ts";

const shared = fleetForFile();

/** Subscribes, and resolves once messages are heard: a subscriber hears what is published after it has begun. */
async function listen(
  job: Job,
  prefix: string,
  publisher: Job,
): Promise<{ heard: TopicMessage[]; end: () => void }> {
  const heard: TopicMessage[] = [];
  const stop = new AbortController();
  const probe = `${prefix}probe`;
  void (async () => {
    for await (const message of job.subscribe(prefix, { timeoutMs: 30_000, signal: stop.signal }))
      heard.push(message);
  })().catch(() => undefined);
  await until("the subscriber hears", async () => {
    await publisher.publish(probe, "");
    return heard.length > 0;
  });
  return { heard, end: () => stop.abort() };
}

const shown = (heard: readonly TopicMessage[]): string[] =>
  heard.filter(({ topic }) => !topic.endsWith("probe")).map(({ topic, data }) => `${topic}=${String(data)}`);

test("subscribers hear what is published under their prefix from when they began, in one order", async () => {
  const [publisher, frames, all] = await shared.clients(3);
  await publisher!.publish("frames/0", "before");
  const ofFrames = await listen(frames!, "frames/", publisher!);
  const ofAll = await listen(all!, "", publisher!);
  for (const topic of ["frames/1", "audio/1", "frames/2"]) await publisher!.publish(topic, `of ${topic}`);
  await until("all have heard", () => shown(ofAll.heard).length === 3 && shown(ofFrames.heard).length === 2);
  expect(shown(ofFrames.heard)).toEqual(["frames/1=of frames/1", "frames/2=of frames/2"]);
  expect(shown(ofAll.heard)).toEqual(["frames/1=of frames/1", "audio/1=of audio/1", "frames/2=of frames/2"]);
  expect(ofAll.heard.every(({ missed }) => missed === 0)).toBe(true);
  ofFrames.end();
  ofAll.end();
});

test("who comes late hears what is kept from where it says, and how many it missed", {
  timeout: 60_000,
}, async () => {
  const [publisher, late] = await shared.clients(2);
  const first = await publisher!.publish("count", "first");
  for (let batch = 0; batch < 50; batch++) {
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => publisher!.publish("count", `${batch * 100 + i}`)),
    );
  }
  const heard: TopicMessage[] = [];
  for await (const message of late!.subscribe("count", { after: first - 1, timeoutMs: 2000 }))
    heard.push(message);
  const missed = heard[0]!.missed;
  expect(missed).toBeGreaterThan(0);
  expect(missed + heard.length).toBe(5001);
  expect(heard.length).toBeGreaterThanOrEqual(4096);
  expect(heard.slice(1).every((message) => message.missed === 0)).toBe(true);
});

test("what is too large to be published says what to do", async () => {
  const [job] = await shared.clients(1);
  await expect(job!.publish("large", Buffer.alloc(20_000))).rejects.toMatchObject({
    code: "TOO_LARGE",
    message: expect.stringContaining("ref"),
  });
});
