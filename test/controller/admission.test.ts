import { expect, test } from "vitest";
import type { ControllerOptions } from "../../src/controller/options.ts";
import { startFleet } from "./test-fleet.ts";

/** Three nodes of a million bytes, of which nine tenths can be hinted. */
async function begin(options: ControllerOptions = {}) {
  const fleet = await startFleet(options);
  const nodes = await fleet.addNodes(3);
  const create = (bytes: number) =>
    fleet.call("POST", "/v1/jobs", { code: { d: 2, p: 1 }, hints: { bytes } });
  return { fleet, nodes, create };
}

test("on a fleet that nobody grows, hints are met by what is free there, or the job is refused", async () => {
  const { fleet, nodes, create } = await begin();
  expect(await create(1_800_001)).toMatchObject({
    status: 503,
    body: {
      code: "NOT_ENOUGH_NODES",
      message: expect.stringMatching(/hints 1\.7 MiB, and 3 nodes have 1\.7 MiB free.*mayfly scale NODES/),
    },
  });
  expect(fleet.controller.state.jobs).toEqual([]);
  expect(await create(1_000_000)).toMatchObject({ status: 200, body: { readyInMs: 0 } });
  // The other one has a right to what it announced, though it has not written it.
  expect((await create(900_000)).status).toBe(503);
  expect((await create(700_000)).status).toBe(200);
  await nodes[0]!.beat({ usedBytes: 300_000 });
  expect((await create(100_000)).status).toBe(503);
  await fleet.ok("DELETE", "/v1/jobs/1");
  expect((await create(100_000)).status).toBe(200);
});

test("what an idle job does not use is free again after a while", async () => {
  const { fleet, create } = await begin({ heartbeatMs: 60_000, deadAfterMs: 600_000 });
  await create(1_800_000);
  expect((await create(1_000_000)).status).toBe(503);
  await fleet.clock.advance(240_000);
  expect((await create(1_000_000)).status).toBe(200);
});

test("hints that are guesses, or of speed, refuse no job", async () => {
  const { fleet } = await begin();
  const hints = { functions: 1_000_000, bytesPerSecond: 1e15, prefer: "cost" as const };
  expect((await fleet.createJob({ code: { d: 2, p: 1 }, hints })).readyInMs).toBe(0);
});
