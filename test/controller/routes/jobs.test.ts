import { expect, test } from "vitest";
import { decodeTicket } from "../../../src/placement/ticket.ts";
import { idleHeartbeat, type JobInfo, type JobTable } from "../../../src/wire/control-api.ts";
import { live, startFleet } from "../test-fleet.ts";

test("a job begins with the fleet's default code, and its ticket says all that a function needs", async () => {
  const fleet = await startFleet();
  await fleet.addNodes(7);
  const { job, token, ticket } = await fleet.createJob();
  expect(job).toMatchObject({ job: 1, name: "job-1", state: "alive", code: { d: 4, p: 2 } });
  expect(job).toMatchObject({ leaseMs: 600_000, graceMs: 60_000, leaseLeftMs: 600_000, quotaBytes: 0 });
  const decoded = decodeTicket(ticket);
  expect(decoded).toMatchObject({ controllerUrl: fleet.controller.url, job: 1, code: { d: 4, p: 2 }, token });
  const ports = fleet.controller.state.map.nodes.map((node) => node.port);
  expect(decoded.seeds).toHaveLength(3);
  for (const seed of decoded.seeds) expect(ports).toContain(seed.port);
});

test("what a job is asked to be, it is", async () => {
  const fleet = await startFleet();
  await fleet.addNodes(3);
  const request = {
    name: "sort",
    code: { d: 1, p: 2 },
    leaseMs: 5000,
    graceMs: 0,
    quotaBytes: 123,
    hints: { bytes: 10, bytesPerSecond: 20, functions: 30, prefer: "cost" as const },
  };
  const { job } = await fleet.createJob(request);
  expect(job).toMatchObject(request);
  expect(await fleet.ok<JobInfo>("GET", "/v1/jobs/1")).toEqual(job);
  expect(await fleet.ok("GET", "/v1/jobs")).toEqual({ jobs: [job] });
});

test("a job does not begin where its code does not fit, and the answer says what is there and what to do", async () => {
  const fleet = await startFleet({ nodesInitial: 2 });
  const create = (code?: { d: number; p: number }) =>
    fleet.call("POST", "/v1/jobs", code === undefined ? {} : { code });
  expect(await create()).toMatchObject({
    status: 503,
    body: { code: "NOT_ENOUGH_NODES", message: expect.stringContaining("0 of the 2 nodes") },
  });
  await fleet.addNodes(3);
  const refused = await create({ d: 4, p: 2 });
  expect(refused).toMatchObject({ status: 503, body: { code: "NOT_ENOUGH_NODES" } });
  expect(refused.body).toMatchObject({
    message: expect.stringMatching(/6 shards.*3 are active; start 3 more.*1\+1/),
  });
  expect(await create({ d: 22, p: 4 })).toMatchObject({ status: 400, body: { code: "INVALID_ARGUMENT" } });
  expect(fleet.controller.state.highestJob).toBe(0);
});

test("two jobs alive do not share a name; a job that ended gives its name free, but never its number", async () => {
  const fleet = await startFleet();
  await fleet.addNodes(1);
  await fleet.createJob({ name: "sort" });
  const again = await fleet.call("POST", "/v1/jobs", { name: "sort" });
  expect(again).toMatchObject({ status: 409, body: { code: "KEY_EXISTS" } });
  expect(again.body).toMatchObject({ message: expect.stringContaining("mayfly job end 1") });
  expect(await fleet.ok("DELETE", "/v1/jobs/1")).toMatchObject({ job: 1, state: "ended" });
  expect((await fleet.createJob({ name: "sort" })).job.job).toBe(2);
  const { jobs } = await fleet.ok<{ jobs: JobInfo[] }>("GET", "/v1/jobs");
  expect(jobs.map(({ job, name, state }) => [job, name, state])).toEqual([
    [1, "sort", "ended"],
    [2, "sort", "alive"],
  ]);
});

test("of an ended job nothing can be had but that it ended; of one that never was, not even that", async () => {
  const fleet = await startFleet();
  await fleet.addNodes(1);
  const { token } = await fleet.createJob();
  await fleet.ok("DELETE", "/v1/jobs/1");
  expect(await fleet.ok("DELETE", "/v1/jobs/1")).toMatchObject({ state: "ended" });
  const ended = { status: 410, body: { code: "JOB_ENDED" } };
  expect(await fleet.call("POST", "/v1/jobs/1/extend")).toMatchObject(ended);
  expect(await fleet.call("POST", "/v1/jobs/1/ticket")).toMatchObject(ended);
  expect(await fleet.call("GET", "/v1/ticket", undefined, token)).toMatchObject(ended);
  expect(await fleet.call("GET", "/v1/jobs/2")).toMatchObject({ status: 404, body: { code: "JOB_UNKNOWN" } });
});

test("a job's token opens that job and no other, and does not administrate", async () => {
  const fleet = await startFleet();
  const [node] = await fleet.addNodes(1);
  const { token } = await fleet.createJob();
  await fleet.createJob();
  expect((await fleet.call("GET", "/v1/jobs/1", undefined, token)).status).toBe(200);
  const forbidden = { status: 403, body: { code: "FORBIDDEN" } };
  expect(await fleet.call("GET", "/v1/jobs/2", undefined, token)).toMatchObject(forbidden);
  expect(await fleet.call("DELETE", "/v1/jobs/2", undefined, token)).toMatchObject(forbidden);
  expect(await fleet.call("POST", "/v1/jobs/2/extend", {}, token)).toMatchObject(forbidden);
  expect(await fleet.call("POST", "/v1/jobs/2/ticket", {}, token)).toMatchObject(forbidden);
  expect(await fleet.call("POST", "/v1/jobs", {}, token)).toMatchObject(forbidden);
  expect(await fleet.call("GET", "/v1/jobs", undefined, token)).toMatchObject(forbidden);
  const fleetToken = node!.registered.fleetToken;
  expect(await fleet.call("GET", "/v1/jobs/1", undefined, fleetToken)).toMatchObject(forbidden);
  expect(await fleet.call("GET", "/v1/jobs/1", undefined, "mft1.x")).toMatchObject({
    status: 401,
    body: { code: "TOKEN_INVALID" },
  });
  expect(fleet.controller.state.jobs).toHaveLength(2);
});

test("a token ends with its time, and a new one is for the asking", async () => {
  const fleet = await startFleet();
  const nodes = await fleet.addNodes(1);
  const { token } = await fleet.createJob({ tokenTtlMs: 5000 });
  await live(fleet, nodes, 5000);
  const late = await fleet.call("GET", "/v1/ticket", undefined, token);
  expect(late).toMatchObject({ status: 401, body: { code: "TOKEN_EXPIRED" } });
  expect(late.body).toMatchObject({ message: expect.stringContaining("mayfly job ticket 1") });
  const fresh = await fleet.ok<{ ticket: string; token: string }>("POST", "/v1/jobs/1/ticket", {
    ttlMs: 2000,
  });
  expect(decodeTicket(fresh.ticket).token).toBe(fresh.token);
  const own = await fleet.ok<{ ticket: string; job: JobInfo }>("GET", "/v1/ticket", undefined, fresh.token);
  expect(decodeTicket(own.ticket)).toMatchObject({ job: 1, token: fresh.token });
  expect(own.job).toMatchObject({ job: 1, state: "alive" });
});

test("a function's own ticket is for those who show a token", async () => {
  const fleet = await startFleet();
  expect(await fleet.call("GET", "/v1/ticket")).toMatchObject({
    status: 401,
    body: { code: "UNAUTHENTICATED" },
  });
  const basic = await fetch(`${fleet.controller.url}/v1/ticket`, {
    headers: { authorization: "Basic YTpi" },
  });
  expect(basic.status).toBe(401);
});

test("a job waits until no node can serve rows of before", async () => {
  const fleet = await startFleet();
  const a = await fleet.addNode();
  const b = await fleet.addNode();
  const c = await fleet.addNode();
  const creating = fleet.createJob();
  let began = false;
  void creating.then(() => {
    began = true;
  });
  await a.beat();
  await b.beat();
  await a.beat();
  // b was told the new rows and has not said that it has them.
  expect((await fleet.ok<{ jobs: JobInfo[] }>("GET", "/v1/jobs")).jobs).toEqual([]);
  expect(began).toBe(false);
  await b.beat();
  expect((await creating).job.job).toBe(1);
  await c.beat();
});

test("a job does not wait for a node that dies", async () => {
  const fleet = await startFleet();
  const silent = await fleet.addNode();
  const a = await fleet.addNode();
  const creating = fleet.createJob();
  await live(fleet, [a], 2500);
  await a.catchUp();
  expect((await creating).job.code).toEqual({ d: 1, p: 0 });
  expect((await silent.tryBeat()).status).toBe(404);
});

test("a job does not begin on a fleet that never catches up", async () => {
  const fleet = await startFleet();
  const a = await fleet.addNode();
  await fleet.addNode();
  const creating = fleet.call("POST", "/v1/jobs", {});
  await fleet.call("GET", "/v1/health");
  const { epoch } = a.map;
  for (let i = 0; i < 7; i++) {
    await fleet.clock.advance(500);
    await a.tryBeat({ epoch: `${epoch.term}.${epoch.n}` });
    await fleet.ok("POST", "/v1/nodes/2/heartbeat", {
      ...{ ...idleHeartbeat, epoch: "0.0", jobsVersion: 0, limitBytes: 1 },
    });
  }
  const answer = await creating;
  expect(answer).toMatchObject({ status: 503, body: { code: "UNAVAILABLE", retryAfterMs: 500 } });
  expect(answer.headers.get("retry-after")).toBe("1");
});

test("a job above its quota is marked so on all nodes, whichever hold its bytes", async () => {
  const fleet = await startFleet();
  const [a, b] = await fleet.addNodes(2);
  await fleet.createJob({ quotaBytes: 100 });
  const over = (table: JobTable) => table.jobs.map((row) => row.overQuota);
  await a!.beat({ jobBytes: [{ job: 1, bytes: 60 }] });
  await b!.beat({ jobBytes: [{ job: 1, bytes: 40 }] });
  expect(over(b!.jobs)).toEqual([false]);
  await b!.beat({ jobBytes: [{ job: 1, bytes: 41 }] });
  expect(over(b!.jobs)).toEqual([true]);
  await a!.beat();
  expect(over(a!.jobs)).toEqual([true]);
  expect(await fleet.ok("GET", "/v1/jobs/1")).toMatchObject({ usedBytes: 101 });
  await a!.beat({ jobBytes: [] });
  expect(over(a!.jobs)).toEqual([false]);
});
