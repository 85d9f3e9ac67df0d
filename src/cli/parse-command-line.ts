/** A verb's command line as values. `node:util` splits it; what is wrong with it is said here, with what to type. */
import { parseArgs } from "node:util";
import { closestWord } from "./closest-word.ts";
import { flag, type Option } from "./option.ts";
import { UsageError } from "./usage-error.ts";
import type { Verb, VerbContext } from "./verb.ts";

/** Options that every verb has. */
export const commonOptions = {
  json: flag("print JSON for machines, errors too"),
  help: flag("print this", "h"),
} as const satisfies Readonly<Record<string, Option<unknown>>>;

export type CommandLine = Pick<VerbContext, "options" | "positionals" | "json"> & { readonly help: boolean };

/**
 * @param args what follows the verb
 * @param env stands in for options that name a variable
 * @throws UsageError naming the option or argument that is wrong; what an option's own parser throws
 */
export function parseCommandLine(
  verb: Verb,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const table: Readonly<Record<string, Option<unknown>>> = { ...verb.options, ...commonOptions };
  const texts = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokensOf(table, args)) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const found = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (found === undefined) throw unknownOption(verb, token.rawName, Object.keys(table));
    if (texts.has(token.name)) throw new UsageError(`${token.rawName} is given twice; give it once`);
    texts.set(token.name, textOf(found, token));
  }
  const help = texts.has("help");
  if (!help) checkCount(verb, positionals);
  return {
    positionals,
    help,
    json: texts.has("json"),
    options: help ? {} : readOptions(verb, texts, env),
  };
}

type Token = NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

function tokensOf(table: Readonly<Record<string, Option<unknown>>>, args: readonly string[]): Token[] {
  const options = Object.entries(table).map(([name, { value, short }]) => {
    const type = value === undefined ? ("boolean" as const) : ("string" as const);
    return [name, { type, ...(short !== undefined && { short }) }] as const;
  });
  return parseArgs({
    args: [...args],
    options: Object.fromEntries(options),
    strict: false,
    allowPositionals: true,
    tokens: true,
  }).tokens;
}

function textOf(found: Option<unknown>, token: OptionToken): string {
  if (found.value === undefined) {
    if (token.value === undefined) return "";
    throw new UsageError(`${token.rawName} takes no value, and ${JSON.stringify(token.value)} was given`);
  }
  const { value } = token;
  // "--memory --json": the value was forgotten, not meant to be "--json".
  if (value !== undefined && (token.inlineValue || !/^-./.test(value))) return value;
  throw new UsageError(`${token.rawName} takes a value: ${token.rawName} ${found.value}`);
}

function readOptions(
  verb: Verb,
  texts: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): VerbContext["options"] {
  const read = Object.entries(verb.options).map(([name, found]) => {
    const given = texts.get(name);
    const variable = found.env;
    const fromEnv = variable === undefined || env[variable] === "" ? undefined : env[variable];
    if (given === undefined && fromEnv !== undefined) return [name, found.read(fromEnv, variable!)] as const;
    return [name, found.read(given, `--${name}`)] as const;
  });
  return Object.fromEntries(read);
}

function unknownOption(verb: Verb, rawName: string, names: readonly string[]): UsageError {
  const meant = closestWord(rawName.replace(/^-+/, ""), names);
  const hint = meant === undefined ? "" : `, did you mean --${meant}`;
  return new UsageError(`there is no option ${rawName}${hint}; all of them: mayfly ${verb.name} --help`);
}

function checkCount(verb: Verb, positionals: readonly string[]): void {
  const wanted = verb.usage.split(" ").filter((word) => word !== "");
  const missing = wanted.filter((word) => !word.startsWith("["))[positionals.length];
  const usage = `usage: mayfly ${verb.name} ${verb.usage}`.trimEnd();
  if (missing !== undefined) throw new UsageError(`${missing.replace("...", "")} is missing; ${usage}`);
  const many = wanted.some((word) => word.includes("..."));
  const extra = positionals[wanted.length];
  if (!many && extra !== undefined)
    throw new UsageError(`${JSON.stringify(extra)} is one argument too many; ${usage}`);
}
