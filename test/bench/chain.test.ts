import { expect, test } from "vitest";
import { figuresOf } from "../../bench/chain.ts";

test("shares are of all time of all functions; the first link has no hand-over", () => {
  const link = { frames: 1, again: 1 };
  const figures = figuresOf(2, [
    { facts: { ...link, encodeMs: 80, waitMs: 0, exchangeMs: 10, handOverMs: undefined } },
    { facts: { ...link, encodeMs: 70, waitMs: 25, exchangeMs: 15, handOverMs: 5 } },
  ]);
  expect(figures).toEqual({
    ...{ exchangeShare: 0.125, waitShare: 0.125, exchangeMs: 25 },
    ...{ handOverP50Ms: 5, seconds: 2 },
  });
});
