import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../client/connect.ts";
import { decodeTicket, encodeTicket } from "../../src/placement/ticket.ts";
import type { CreateJobReply } from "../../src/wire/control-api.ts";
import { type InProcessFleet, startInProcessFleet } from "../support/in-process-fleet.ts";

let fleet: InProcessFleet;
let created: CreateJobReply;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 3 });
  created = await fleet.createJob();
});
afterAll(() => fleet.stop());
afterEach(() => vi.unstubAllEnvs());

const code = (expected: string) => expect.objectContaining({ code: expected });

test("a ticket may come as text, as option, or from the environment", async () => {
  const { ticket } = created;
  vi.stubEnv("MAYFLY_TICKET", `${ticket}\n`);
  for (const options of [ticket, { ticket }, {}, undefined]) {
    await using job = await connect(options);
    expect(job.number).toBe(created.job.job);
    await job.put("key", "value");
    expect(String(await job.get("key"))).toBe("value");
  }
});

test("without a ticket the error says where to get one", async () => {
  vi.stubEnv("MAYFLY_TICKET", "");
  await expect(connect()).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/MAYFLY_TICKET.*mayfly job create/),
  });
  await expect(connect("mf1.nonsense")).rejects.toThrow(code("INVALID_ARGUMENT"));
});

test("with URL and token the rest is asked of the controller", async () => {
  const { token, job } = created;
  const { url } = fleet.controller;
  await using connected = await connect({ url, token, job: job.job });
  await connected.put("key", "value");
  await expect(connect({ url, token, job: job.job + 1 })).rejects.toThrow(code("FORBIDDEN"));
  await expect(connect({ url, token: "nonsense" })).rejects.toThrow(code("TOKEN_INVALID"));
  await expect(connect({ url, token: fleet.jobToken(job.job, -5) })).rejects.toThrow(code("TOKEN_EXPIRED"));
  await expect(connect({ url: "ftp://x", token })).rejects.toThrow(code("INVALID_ARGUMENT"));
  await expect(connect({ url: "http://127.0.0.1:9", token })).rejects.toThrow(code("CONTROLLER_UNREACHABLE"));
});

test("nothing is sent before the first operation", async () => {
  const nowhere = { ...decodeTicket(created.ticket), seeds: [], controllerUrl: "http://127.0.0.1:9" };
  await using job = await connect(encodeTicket(nowhere));
  await expect(job.get("key", { timeoutMs: 200 })).rejects.toThrow(code("DEADLINE_EXCEEDED"));
});

test("a ticket whose nodes are gone finds the fleet through the controller", async () => {
  const old = { ...decodeTicket(created.ticket), seeds: [{ host: "127.0.0.1", port: 9 }] };
  await using job = await connect(encodeTicket(old));
  await job.put("key", "found");
  expect(String(await job.get("key"))).toBe("found");
});

test("an expired or foreign token is said at once, not after the timeout", async () => {
  const { job } = created;
  const ticket = decodeTicket(created.ticket);
  const controllerUrl = "http://127.0.0.1:9";
  for (const [token, expected] of [
    [fleet.jobToken(job.job, -5), "TOKEN_EXPIRED"],
    [`mft1.${"A".repeat(106)}`, "TOKEN_INVALID"],
  ] as const) {
    for (const each of [ticket, { ...ticket, controllerUrl }]) {
      await using connected = await connect(encodeTicket({ ...each, token }));
      await expect(connected.get("key")).rejects.toThrow(code(expected));
      await expect(connected.put("key", Buffer.alloc(100_000))).rejects.toThrow(code(expected));
    }
  }
});

test("the stripe memory has limits, and a code that does not fit says so when it is used", async () => {
  for (const stripeMemoryBytes of [0, 2 ** 22, Number.NaN, 2 ** 33]) {
    await expect(connect({ ticket: created.ticket, stripeMemoryBytes })).rejects.toThrow(
      code("INVALID_ARGUMENT"),
    );
  }
  vi.stubEnv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
  await using job = await connect(created.ticket);
  const bytes = Buffer.alloc(3_000_000, 5);
  await job.put("key", bytes);
  expect(bytes.equals(await job.get("key"))).toBe(true);
});

test("disposing closes the connections", async () => {
  const job = await connect(created.ticket);
  onTestFinished(() => job.close());
  await job.put("key", "value");
  await job[Symbol.asyncDispose]();
  await expect(job.get("key")).rejects.toThrow(code("CLOSED"));
  // Once more does nothing.
  job.close();
});
