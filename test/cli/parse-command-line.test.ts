import { expect, test } from "vitest";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import { sampleVerb } from "./sample-verb.ts";

const parse = (line: string, env: Record<string, string> = {}) =>
  parseCommandLine(sampleVerb, line.split(" ").filter(Boolean), env);

test("options become values, absent ones their defaults", () => {
  expect(parse("assam --steep 90s -c4 --strong --json")).toEqual({
    positionals: ["assam"],
    help: false,
    json: true,
    options: {
      ...{ kettle: "http://tap", milk: undefined, cups: 4, water: undefined, steep: 90_000, strong: true },
    },
  });
  expect(parse("assam").options).toMatchObject({ cups: 2, strong: false });
});

test("a variable stands in for an option, and an option goes before it", () => {
  expect(parse("assam", { KETTLE: "http://pot" }).options["kettle"]).toBe("http://pot");
  expect(parse("assam -k http://mine", { KETTLE: "http://pot" }).options["kettle"]).toBe("http://mine");
  expect(parse("assam", { KETTLE: "" }).options["kettle"]).toBe("http://tap");
});

test("a lone dash, and all after two dashes, are arguments", () => {
  expect(parse("-- --strong -").positionals).toEqual(["--strong", "-"]);
  expect(parse("assam -").positionals).toEqual(["assam", "-"]);
});

test("a value may look like an option when it is joined to its own", () => {
  expect(parse("assam --kettle=-x").options["kettle"]).toBe("-x");
});

test("help is given whatever else is wrong with values and arguments", () => {
  expect(parse("--help --cups many a b c").help).toBe(true);
  expect(parse("-h").help).toBe(true);
});

test.each([
  ["", "LEAF is missing; usage: mayfly brew LEAF [POT]"],
  ["a b c", '"c" is one argument too many; usage: mayfly brew LEAF [POT]'],
  ["a --cup 3", "there is no option --cup, did you mean --cups; all of them: mayfly brew --help"],
  ["a --constructor", "there is no option --constructor; all of them: mayfly brew --help"],
  ["a -x", "there is no option -x"],
  ["a --steep", "--steep takes a value: --steep DURATION"],
  ["a --steep --json", "--steep takes a value: --steep DURATION"],
  ["a --strong=1", '--strong takes no value, and "1" was given'],
  ["a -c 1 --cups 2", "--cups is given twice; give it once"],
  ["a --cups 13", '--cups is "13"; it takes a whole number from 1 to 12'],
  ["a --cups 1.5", "takes a whole number"],
  ["a --milk never", '--milk is "never"; it takes first or last'],
  ["a --water 2G", "--water is 2G; write 2GiB (1024s) or 2GB (1000s)"],
])("%s is refused", (line, message) => {
  expect(() => parse(line)).toThrow(message);
  expect(() => parse(line)).toThrow(UsageError);
});

test("what is wrong in a variable is said of the variable", () => {
  const table = { ...sampleVerb, options: { cups: { ...sampleVerb.options["cups"]!, env: "CUPS" } } };
  expect(() => parseCommandLine(table, ["a"], { CUPS: "many" })).toThrow(/^CUPS is "many"/);
});
