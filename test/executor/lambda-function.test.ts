/** The handler that is deployed, as Lambda calls it, with a fleet in this process. */
import { expect, test } from "vitest";
import type { Job } from "../../client/job.ts";
import type { FunctionContext } from "../../src/executor/executor.ts";
import { createLambdaHandler } from "../../src/executor/lambda-function.ts";
import { fleetForFile } from "../client/exchange/fleet-for-file.ts";

const file = fleetForFile();
const seen: FunctionContext[] = [];
const words = {
  async count(event: string, context: FunctionContext) {
    seen.push(context);
    context.progress({ done: 1 });
    await context.job.put("text", event);
    return { words: event.split(" ").length, attempt: context.attempt };
  },
  nothing: async () => undefined,
  missing: (_: unknown, { job }: FunctionContext) => job.get("there is no such key"),
  fails: async () => {
    throw new TypeError("x is not a function");
  },
  huge: async () => "x".repeat(6 * 1024 * 1024),
  bigint: async () => 1n,
  notCallable: 7,
};
let loads = 0;
const handler = createLambdaHandler({
  modules: {
    words: async () => {
      loads += 1;
      return words;
    },
    broken: async () => {
      throw new SyntaxError("Unexpected token");
    },
  },
});

const ticket = async (): Promise<string> => (await file.fleet.createJob()).ticket;
const call = (name: string, ofTicket: string, event: unknown = "a b", module = "words") =>
  handler({ handler: { module, name }, event, attempt: "a1", ticket: ofTicket });

test("it runs the function that the handler names, in the job of the ticket, and returns its result", async () => {
  const of = await ticket();
  expect(await call("count", of, "one two three")).toEqual({ result: { words: 3, attempt: "a1" } });
  expect(await call("nothing", of)).toEqual({ result: null });
  const job = await file.fleet.connect(of);
  expect(String(await job.get("text"))).toBe("one two three");
  expect(loads).toBe(2);
});

test("errors come back whole, of Mayfly's with their code and of all others as internal", async () => {
  const of = await ticket();
  const error = (code: string, message: RegExp) => ({
    error: { code, message: expect.stringMatching(message), refs: [] },
  });
  expect(await call("missing", of)).toEqual(error("NOT_FOUND", /./));
  expect(await call("fails", of)).toEqual(error("INTERNAL", /^x is not a function$/));
  expect(await call("notCallable", of)).toEqual(error("INVALID_ARGUMENT", /words exports no function/));
  expect(await call("count", of, "a", "file:///words.js")).toEqual(
    error("INVALID_ARGUMENT", /has no module file:.*only: words, broken\./),
  );
  expect(await call("count", of, "a", "toString")).toEqual(error("INVALID_ARGUMENT", /has no module/));
  expect(await call("count", of, "a", "broken")).toEqual(error("INTERNAL", /Unexpected token/));
  expect(await call("huge", of)).toEqual(error("TOO_LARGE", /6291\d+ bytes .*job\.put/));
  expect(await call("bigint", of)).toEqual(error("INTERNAL", /BigInt/));
  expect(await call("count", "mf1.damaged")).toEqual(error("INVALID_ARGUMENT", /./));
});

test("what is no call of Mayfly's is answered with what it should be", async () => {
  const whole = { handler: { module: "words", name: "count" }, event: 1, attempt: "a", ticket: "t" };
  for (const event of [
    null,
    7,
    "text",
    {},
    { ...whole, handler: "count" },
    { ...whole, ticket: undefined },
  ]) {
    expect(await handler(event)).toMatchObject({
      error: { code: "INVALID_ARGUMENT", message: expect.stringContaining("createLambdaExecutor") },
    });
  }
});

test("a warm instance stays connected, to a few jobs", async () => {
  const tickets = await Promise.all([ticket(), ticket(), ticket()]);
  const jobOf = async (of: string): Promise<Job> => {
    await call("count", of);
    return seen.at(-1)!.job;
  };
  const first = await jobOf(tickets[0]!);
  expect(await jobOf(tickets[0]!)).toBe(first);
  const second = await jobOf(tickets[1]!);
  expect(await jobOf(tickets[0]!)).toBe(first);
  const third = await jobOf(tickets[2]!);
  // The second one was used longest ago.
  await expect(second.get("text")).rejects.toMatchObject({ code: "CLOSED" });
  expect(String(await first.get("text"))).toBe("a b");
  expect(await jobOf(tickets[1]!)).not.toBe(second);
  expect(await jobOf(tickets[2]!)).toBe(third);
});
