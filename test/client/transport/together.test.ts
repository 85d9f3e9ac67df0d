import { expect, test } from "vitest";
import { pause, startDeadline } from "../../../client/transport/deadline.ts";
import { together } from "../../../client/transport/together.ts";
import { systemClock } from "../../../src/clock.ts";

const deadline = (signal?: AbortSignal) => startDeadline(systemClock, 10_000, signal, "the test");

test("all parts are done when it resolves", async () => {
  const done: number[] = [];
  await together(deadline(), () =>
    [3, 1, 2].map(async (turns) => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      done.push(turns);
    }),
  );
  expect(done).toEqual([1, 2, 3]);
});

test("when a part fails the others are called off and have ended before it rejects", async () => {
  const ended: string[] = [];
  const failing = together(deadline(), (part) => [
    pause(part, 5000).catch((error: unknown) => {
      ended.push("slow");
      throw error;
    }),
    Promise.reject(new RangeError("first")),
    Promise.resolve().then(() => {
      throw new Error("second");
    }),
  ]);
  await expect(failing).rejects.toThrow(new RangeError("first"));
  expect(ended).toEqual(["slow"]);
});

test("the caller's abort reaches all parts", async () => {
  const abort = new AbortController();
  const working = together(deadline(abort.signal), (part) => [pause(part, 5000), pause(part, 6000)]);
  abort.abort();
  await expect(working).rejects.toMatchObject({ code: "ABORTED" });

  const aborted = together({ ...deadline(), signal: AbortSignal.abort() }, (part) => [pause(part, 5000)]);
  await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
});
