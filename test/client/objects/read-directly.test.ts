/** A function that has access to the object store of its fleet reads there, and through nodes where that fails. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../../client/connect.ts";
import type { Job } from "../../../client/job.ts";
import { seededRng, systemClock } from "../../../src/clock.ts";
import { openObjectStore } from "../../../src/durable/open-store.ts";
import { jobNumber } from "../../../src/ids.ts";
import type { StoredPlace } from "../../../src/wire/ref.ts";
import { spillName } from "../../../src/wire/stored-names.ts";
import { startInProcessFleet } from "../../support/in-process-fleet.ts";
import { framed, freeShards, moveRef } from "../../support/store-objects.ts";
import { anyBytes } from "../../support/written-keys.ts";

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mayfly-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return pathToFileURL(folder).href;
}

/** A fleet with an object of a job that lies in a folder. */
async function begin() {
  const url = await newFolder();
  const fleet = await startInProcessFleet({ nodes: 2, durableUrl: url });
  onTestFinished(() => fleet.stop());
  const { ticket } = await fleet.createJob({ code: { d: 1, p: 1 } });
  const writer = await fleet.connect(ticket);
  const bytes = anyBytes(3_000_000);
  const ref = await writer.put("key", bytes);
  const name = spillName(fleet.core(fleet.nodes[0]!.nodeId).fleetId()!, jobNumber(writer.number), "pack");
  const store = await openObjectStore(url, { clock: systemClock, rng: seededRng(1) });
  onTestFinished(() => store.close());
  const stored: StoredPlace = { name, offset: 0, layout: "framed" };
  await store.put(name, framed(writer, ref, bytes));
  await moveRef(fleet, writer, ref, { stripes: undefined, stored });
  freeShards(fleet, writer, ref);
  const askedOfNodes = (): number =>
    fleet.nodes.reduce((sum, { nodeId }) => {
      return sum + (fleet.core(nodeId).storeUse.of(jobNumber(writer.number))?.gets ?? 0);
    }, 0);
  const open = async (storeUrl?: string): Promise<Job> => {
    const job = await connect({ ticket, ...(storeUrl !== undefined && { storeUrl }) });
    onTestFinished(() => job.close());
    return job;
  };
  return { url, bytes, askedOfNodes, open };
}

test("through nodes without, directly with the URL of the store", async () => {
  const { url, bytes, askedOfNodes, open } = await begin();
  const direct = await open(url);
  expect(bytes.equals(await direct.get("key"))).toBe(true);
  const { ref } = await direct.stat("key");
  const read = { ref, offset: 1_000_000, length: 50_000, into: Buffer.alloc(50_000) };
  await direct.readRanges([read]);
  expect(read.into.equals(bytes.subarray(1_000_000, 1_050_000))).toBe(true);
  expect(askedOfNodes()).toBe(0);
  expect(bytes.equals(await (await open()).get("key"))).toBe(true);
  expect(askedOfNodes()).toBeGreaterThan(0);
});

test("the nodes know better than a wrong store", async () => {
  const { bytes, askedOfNodes, open } = await begin();
  const direct = await open(await newFolder());
  expect(bytes.equals(await direct.get("key"))).toBe(true);
  expect(askedOfNodes()).toBeGreaterThan(0);
});

test("a URL that is none is an error of whoever gave it", async () => {
  const { open } = await begin();
  const direct = await open("ftp://somewhere");
  await expect(direct.get("key")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
