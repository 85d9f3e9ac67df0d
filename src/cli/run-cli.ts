/** From a command line to an exit code: finds the verb, parses its options, runs it, reports what it throws. */
import { readFile } from "node:fs/promises";
import { systemClock } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { closestWord } from "./closest-word.ts";
import { exitCodeOf, exitCodes, failureJson, failureText } from "./failure.ts";
import { groupHelp, mainHelp, verbHelp } from "./help.ts";
import { parseCommandLine } from "./parse-command-line.ts";
import { UsageError } from "./usage-error.ts";
import type { VerbContext } from "./verb.ts";
import { findVerb, loadVerbs, verbNames, verbsOfGroup } from "./verbs.ts";

export type CliIo = Pick<VerbContext, "env" | "stdin" | "stdout" | "stderr">;

/** @param argv what follows the program's name. Returns 0, 1 (it failed) or 2 (the command line is wrong); never rejects. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const verbName = findVerb(argv)?.name;
  try {
    if (argv.length === 0) {
      io.stderr.write(mainHelp(await loadVerbs(verbNames)));
      return exitCodes.usage;
    }
    await dispatch(argv, io);
    return exitCodes.ok;
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    if (asksForJson(argv)) io.stdout.write(`${failureJson(error)}\n`);
    else io.stderr.write(`${failureText(verbName, error, Boolean(io.env["MAYFLY_DEBUG"]))}\n`);
    return exitCodeOf(error);
  }
}

async function dispatch(argv: readonly string[], io: CliIo): Promise<void> {
  const [first = ""] = argv;
  if (first === "--version" || first === "-V") return void io.stdout.write(`${await packageVersion()}\n`);
  if (first === "--help" || first === "-h" || first === "help") return help(argv.slice(1), io);
  const found = findVerb(argv);
  if (found === undefined) {
    const group = verbsOfGroup(first);
    if (group.length > 0 && (argv[1] === "--help" || argv[1] === "-h")) return help([first], io);
    throw unknownVerb(argv);
  }
  const verb = await found.load();
  const { help: wantsHelp, ...parsed } = parseCommandLine(verb, found.args, io.env);
  if (wantsHelp) return void io.stdout.write(verbHelp(verb));
  await verb.run({
    ...parsed,
    ...io,
    clock: systemClock,
    print: (line) => void io.stdout.write(`${line}\n`),
    note: (line) => void io.stderr.write(`${line}\n`),
  });
}

async function help(words: readonly string[], io: CliIo): Promise<void> {
  const [first] = words;
  const found = findVerb(words);
  if (found !== undefined) return void io.stdout.write(verbHelp(await found.load()));
  if (first === undefined) return void io.stdout.write(mainHelp(await loadVerbs(verbNames)));
  const group = verbsOfGroup(first);
  if (group.length === 0) throw unknownVerb(words);
  io.stdout.write(groupHelp(first, await loadVerbs(group)));
}

function unknownVerb([first = "", second]: readonly string[]): UsageError {
  const inGroup = verbsOfGroup(first).map((name) => name.slice(first.length + 1));
  if (inGroup.length === 0) {
    const firstWords = [...new Set(verbNames.map((name) => name.split(" ")[0]!))];
    const meant = closestWord(first, firstWords);
    const hint = meant === undefined ? "all of them: mayfly --help" : `did you mean: mayfly ${meant}`;
    return new UsageError(`there is no verb ${JSON.stringify(first)}; ${hint}`);
  }
  const all = inGroup.map((word) => `mayfly ${first} ${word}`).join(", ");
  if (second === undefined)
    return new UsageError(`${JSON.stringify(first)} alone is no verb; there are: ${all}`);
  const meant = closestWord(second, inGroup);
  const hint = meant === undefined ? `there are: ${all}` : `did you mean: mayfly ${first} ${meant}`;
  return new UsageError(`there is no verb ${JSON.stringify(`${first} ${second}`)}; ${hint}`);
}

/** Even when the command line cannot be parsed. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}

/** Of the nearest package.json above, which is Mayfly's own both in the sources and when installed. */
async function packageVersion(): Promise<string> {
  for (let dir = new URL(".", import.meta.url); ; dir = new URL("..", dir)) {
    const text = await readFile(new URL("package.json", dir), "utf8").catch(() => undefined);
    const found: unknown = text === undefined ? undefined : JSON.parse(text);
    if (typeof found === "object" && found !== null && "version" in found) return String(found.version);
    if (dir.pathname === "/")
      throw new MayflyError("INTERNAL", "no package.json with a version lies above the CLI");
  }
}
