/** Against a real S3 server. */
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock, systemRng } from "../../../src/clock.ts";
import type { ObjectStore } from "../../../src/durable/object-store.ts";
import { openObjectStore } from "../../../src/durable/open-store.ts";
import { useS3Server } from "../../support/s3-server.ts";
import { bytesOf, listed, testObjectStore } from "../conformance.ts";

const given = { clock: systemClock, rng: systemRng };
const s3 = useS3Server();

testObjectStore({
  open: () => openObjectStore(s3.url("conformance"), given),
  takesNamesOfFolders: false,
  repeatsNothing: true,
});

async function opened(url: string): Promise<ObjectStore> {
  const store = await openObjectStore(url, given);
  onTestFinished(() => store.close());
  return store;
}

test("objects lie below the prefix, under their names", async () => {
  const [outer, inner] = [await opened(s3.url("nested")), await opened(s3.url("nested/in side"))];
  await inner.put("a/b c", bytesOf("x"));
  expect(await listed(outer.list(""))).toEqual(["in side/a/b c"]);
  expect(await outer.get("in side/a/b c")).toEqual(bytesOf("x"));
  expect(await listed(inner.list(""))).toEqual(["a/b c"]);
});

test("a bucket that is not there is refused at once", async () => {
  const store = await opened(s3.url("x").replace(s3.bucket, "no-such-bucket"));
  const refused = { code: "STORE_REFUSED", message: expect.stringContaining("Make the bucket") };
  await expect(store.put("a", bytesOf("a"))).rejects.toMatchObject(refused);
  await expect(store.get("a")).rejects.toMatchObject(refused);
  await expect(listed(store.list(""))).rejects.toMatchObject(refused);
  expect(store.counts.retries).toBe(0);
});

test("wrong credentials are refused at once", async () => {
  const right = process.env["AWS_SECRET_ACCESS_KEY"];
  onTestFinished(() => void vi.stubEnv("AWS_SECRET_ACCESS_KEY", right));
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "wrong");
  const store = await opened(s3.url());
  const refused = { code: "STORE_REFUSED", message: expect.stringContaining("credentials") };
  await expect(store.put("a", bytesOf("a"))).rejects.toMatchObject(refused);
  expect(store.counts.retries).toBe(0);
});

test("a store that is not there is unavailable, in time", async () => {
  const store = await opened(s3.url("x", "http://127.0.0.1:1"));
  const outcome = store.get("a", { timeoutMs: 300 });
  await expect(outcome).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(store.counts.retries).toBeGreaterThan(0);
});
