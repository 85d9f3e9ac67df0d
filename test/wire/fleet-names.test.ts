import fc from "fast-check";
import { expect, test } from "vitest";
import {
  fleetMarkName,
  fleetOfMark,
  sleepName,
  stateName,
  stateOfName,
  termName,
  tokenOfSleep,
} from "../../src/wire/fleet-names.ts";

const fleet = "00112233445566aa";
const word = fc.nat(2 ** 32 - 1);

test("names say of which fleet, term, number and sleep they are", () => {
  fc.assert(
    fc.property(word, word, (term, number) => {
      expect(stateOfName(fleet, stateName(fleet, term, number))).toEqual({ term, number });
      expect(stateOfName(fleet, termName(fleet, term))).toEqual({ term, number: undefined });
      expect(stateOfName("aa112233445566aa", stateName(fleet, term, number))).toBeUndefined();
      const token = { term, n: number };
      expect(tokenOfSleep(fleet, sleepName(fleet, token, 7))).toEqual(token);
    }),
  );
  expect(fleetOfMark(fleetMarkName(fleet))).toBe(fleet);
  for (const name of [
    "fleets/",
    "fleets/x",
    `${fleet}/state/7-8`,
    `${fleet}/spill/x`,
    `${fleet}/sleep/x/node-1`,
  ]) {
    expect([fleetOfMark(name), stateOfName(fleet, name), tokenOfSleep(fleet, name)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  }
});

test("the names of states are in the order of terms, then of numbers", () => {
  fc.assert(
    fc.property(word, word, word, word, (termA, a, termB, b) => {
      const isBefore = termA < termB || (termA === termB && a < b);
      expect(stateName(fleet, termA, a) < stateName(fleet, termB, b)).toBe(isBefore);
    }),
  );
});
