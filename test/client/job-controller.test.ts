import http from "node:http";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { JobController } from "../../client/job-controller.ts";
import { epochZero } from "../../src/placement/epoch.ts";
import { decodeMap } from "../../src/placement/map-codec.ts";
import { decodeTicket } from "../../src/placement/ticket.ts";
import { type InProcessFleet, startInProcessFleet } from "../support/in-process-fleet.ts";
import { until } from "../support/until.ts";

const timeoutMs = 10_000;
const code = (expected: string) => expect.objectContaining({ code: expected });

let fleet: InProcessFleet;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 2 });
  // From its first job on the map of an idle fleet stays as it is.
  await fleet.createJob();
});
afterAll(() => fleet.stop());

function open(url = fleet.controller.url, ownTimeoutMs = timeoutMs): JobController {
  const controller = new JobController(url, ownTimeoutMs);
  onTestFinished(() => controller.close());
  return controller;
}

test("the map comes when it is newer than the one at hand", async () => {
  const { map } = fleet;
  const { term, n } = map.epoch;
  const controller = open();
  for (const older of [epochZero, { term, n: n - 1 }, { term: term - 1, n: n + 5 }]) {
    expect(decodeMap((await controller.map(older, timeoutMs))!)).toEqual(map);
  }
  for (const newer of [map.epoch, { term, n: n + 1 }, { term: term + 1, n: 0 }]) {
    expect(await controller.map(newer, timeoutMs)).toBeUndefined();
  }
});

test("a token of the job gives its ticket and its facts", async () => {
  const { job, token } = await fleet.createJob({ code: { d: 1, p: 1 } });
  const reply = await open().ticket(token, timeoutMs);
  expect(reply.job).toMatchObject({ job: job.job, name: job.name, state: "alive", code: { d: 1, p: 1 } });
  expect(decodeTicket(reply.ticket)).toMatchObject({ job: job.job, token, code: { d: 1, p: 1 } });
  await expect(open().ticket(`${token}x`, timeoutMs)).rejects.toThrow(code("TOKEN_INVALID"));
  await expect(open().ticket(fleet.fleetToken(1), timeoutMs)).rejects.toThrow(code("FORBIDDEN"));
});

test("a lease is renewed for the job of the token, and for no other", async () => {
  const leaseMs = 600_000;
  const [{ job, token }, other] = [await fleet.createJob({ leaseMs }), await fleet.createJob()];
  const leftMs = async (): Promise<number> =>
    (await fleet.client.jobs()).find((each) => each.job === job.job)!.leaseLeftMs;
  for (const shown of [token, undefined]) {
    await until("some of the lease is over", async () => (await leftMs()) < leaseMs - 20);
    const beforeMs = await leftMs();
    const info = await open().extendJob(job.job, shown);
    expect(info).toMatchObject({ job: job.job, leaseMs });
    expect(info.leaseLeftMs).toBeGreaterThan(beforeMs);
  }
  await expect(open().extendJob(job.job, other.token)).rejects.toThrow(code("FORBIDDEN"));
  await expect(open().extendJob(999_999)).rejects.toThrow(code("JOB_UNKNOWN"));
});

test("a job is ended by its token, and by no other's", async () => {
  const [{ job, token }, other] = [await fleet.createJob(), await fleet.createJob()];
  const alive = (): number[] => fleet.controller.state.jobs.map(({ number }) => number);
  await expect(open().endJob(job.job, other.token)).rejects.toThrow(code("FORBIDDEN"));
  expect(alive()).toEqual(expect.arrayContaining([job.job, other.job.job]));
  await open().endJob(job.job, token);
  expect(alive()).not.toContain(job.job);
  await open().endJob(other.job.job);
  expect(alive()).not.toContain(other.job.job);
  await expect(open().extendJob(job.job, token)).rejects.toThrow(code("JOB_ENDED"));
  await expect(open().ticket(token, timeoutMs)).rejects.toThrow(code("JOB_ENDED"));
});

test("no call waits longer than it was told for a controller that does not answer", async () => {
  const server = http.createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const controller = open(`http://127.0.0.1:${port}`, 40);
  const calls = [
    controller.map(epochZero, 50),
    controller.ticket("token", 60),
    controller.extendJob(1),
    controller.endJob(1, "token"),
  ];
  const outcomes = await Promise.allSettled(calls);
  const reasons = outcomes.map((each) => each.status === "rejected" && String(each.reason));
  expect(reasons).toEqual([50, 60, 40, 40].map((ms) => expect.stringContaining(`within ${ms} ms`)));
});
