import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Limiter } from "../../src/durable/limiter.ts";
import { RequestSlots } from "../../src/durable/request-slots.ts";

const two = { concurrencyMin: 2, concurrencyMax: 2, concurrencyStart: 2 };

test("who waits is let go in order, and who goes away lets the next one pass", async () => {
  const slots = new RequestSlots(systemClock, new Limiter(two));
  const forever = new AbortController();
  const impatient = new AbortController();
  const [first, second] = [await slots.take(forever), await slots.take(forever)];
  const order: string[] = [];
  const wait = (name: string, { signal }: AbortController) =>
    slots.take({ signal }).then((giveBack) => {
      order.push(name);
      return giveBack;
    });
  const third = wait("third", forever);
  const gone = wait("gone", impatient);
  const fourth = wait("fourth", forever);
  impatient.abort(new Error("no time"));
  await expect(gone).rejects.toThrow("no time");
  expect(order).toEqual([]);
  first({ outcome: "ok" });
  first({ outcome: "ok" });
  (await third)({ outcome: "ok" });
  await fourth;
  expect(order).toEqual(["third", "fourth"]);
  second({ outcome: "ok" });
});

test("a rate lets the next one go when its time has come", async () => {
  const limiter = new Limiter();
  const slots = new RequestSlots(systemClock, limiter);
  const { signal } = new AbortController();
  for (let i = 0; i < 5; i += 1) (await slots.take({ signal }))({ outcome: "throttled" });
  expect(limiter.ratePerSecond).toBeLessThan(100);
  for (let i = 0; i < 5; i += 1) (await slots.take({ signal }))({ outcome: "ok" });
  expect(limiter.inFlight).toBe(0);
});
