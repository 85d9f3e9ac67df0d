/** A made-up verb with every kind of option, for tests of parsing and help. */
import { flag, option, parseChoice, parseCount, parseText } from "../../src/cli/option.ts";
import { parseBytes, parseDurationMs } from "../../src/cli/sizes.ts";
import { defineVerb, type Verb } from "../../src/cli/verb.ts";

export const sampleVerb: Verb = defineVerb({
  name: "brew",
  summary: "make tea",
  usage: "LEAF [POT]",
  description:
    "Water is heated first and poured over the leaf; then it is left alone for as long as that leaf wants to be.\n\n" +
    "Nothing is kept.",
  options: {
    kettle: option({
      value: "URL",
      help: "where water is",
      parse: parseText,
      short: "k",
      env: "KETTLE",
      default: "http://tap",
    }),
    milk: option({ value: "WHEN", help: "first or last", parse: parseChoice(["first", "last"]) }),
    cups: option({ value: "COUNT", help: "cups", parse: parseCount(1, 12), short: "c", default: "2" }),
    water: option({ value: "SIZE", help: "water", parse: parseBytes, defaultNote: "enough for all cups" }),
    steep: option({
      value: "DURATION",
      help: "how long the leaf stays in the water, which depends on the leaf and on who will drink it",
      parse: parseDurationMs,
    }),
    strong: flag("twice the leaf", "s"),
  },
  examples: ["mayfly brew assam", "mayfly brew sencha pot --steep 90s"],
  run: async () => undefined,
});
