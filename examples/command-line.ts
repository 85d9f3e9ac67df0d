/** What the examples have in common on the command line: options, `--help`, `--json`, errors, exit codes, progress. */
import { parseArgs } from "node:util";
import { MayflyError } from "mayfly";

export interface Option {
  readonly help: string;
  readonly short?: string;
  /** What stands for the value in the help; a flag has none. */
  readonly value?: string;
}

/** Of a flag whether it was given; of others the text, if there was one. */
export type Values<Options extends Record<string, Option>> = {
  readonly [Name in keyof Options]: Options[Name] extends { value: string } ? string | undefined : boolean;
};

export interface Report {
  /** Printed with `--json`. */
  readonly json: unknown;
  readonly lines: readonly string[];
}

export interface Program<Options extends Record<string, Option>> {
  readonly name: string;
  readonly summary: string;
  /** Arguments besides options, for example `FILE...`; none when empty. */
  readonly args: string;
  readonly options: Options;
  readonly examples: readonly string[];
  run(context: Context<Options>): Promise<Report>;
}

export interface Context<Options extends Record<string, Option>> {
  readonly values: Values<Options>;
  readonly args: readonly string[];
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Says on standard error how many of `total` are done. */
  readonly progress: (what: string, done: number, total: number) => void;
}

const always = {
  json: { help: "print one JSON object instead of text" },
  help: { help: "print this", short: "h" },
} as const satisfies Record<string, Option>;

/** Bad use of the command line: the message says what to write instead. */
export function usageError(message: string): MayflyError {
  return new MayflyError("INVALID_ARGUMENT", message);
}

/** The number that an option gives, or `fallback` without it. @throws MayflyError INVALID_ARGUMENT */
export function countOption(
  option: string,
  text: string | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  const count = text === undefined ? fallback : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= least && count <= most) return count;
  throw usageError(`--${option} ${text} is not a whole number from ${least} to ${most}`);
}

/** One of a few words. @throws MayflyError INVALID_ARGUMENT */
export function choiceOption<Choice extends string>(
  option: string,
  text: string | undefined,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  const choice = text === undefined ? choices[0] : choices.find((each) => each === text);
  if (choice !== undefined) return choice;
  throw usageError(`--${option} ${text} is none of ${choices.join(", ")}`);
}

/** Runs the program with the arguments of this process: exit code 2 for a bad command line, 1 for all other errors. */
export async function runProgram<const Options extends Record<string, Option>>(
  program: Program<Options>,
): Promise<void> {
  const { name } = program;
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    controller.abort(new MayflyError("ABORTED", `stopped by ${signal}; nothing of it is left`));
  };
  // A second signal ends the process at once.
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    const { values, args } = parse(program, process.argv.slice(2));
    if (values["help"] === true) {
      process.stdout.write(helpOf(program));
      return;
    }
    const isJson = values["json"] === true;
    const report = await program.run({
      ...{ values: values as Values<Options>, args, signal: controller.signal },
      progress: isJson ? () => undefined : progressOn(process.stderr),
    });
    process.stdout.write(`${isJson ? JSON.stringify(report.json) : report.lines.join("\n")}\n`);
  } catch (thrown) {
    const { code, message } = MayflyError.from(thrown);
    process.stderr.write(`${name}: ${message.replace(/\.$/, "")} (${code})\n`);
    process.exitCode = code === "INVALID_ARGUMENT" ? 2 : 1;
    if (process.exitCode === 2) process.stderr.write(`${name} --help tells how it is used\n`);
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

function parse(
  program: Program<Record<string, Option>>,
  words: string[],
): { values: Record<string, string | boolean | undefined>; args: readonly string[] } {
  const all: readonly [string, Option][] = Object.entries({ ...program.options, ...always });
  const options = Object.fromEntries(
    all.map(([option, { short, value }]) => {
      const type: "string" | "boolean" = value === undefined ? "boolean" : "string";
      return [option, { type, ...(short !== undefined && { short }) }];
    }),
  );
  try {
    const parsed = parseArgs({ args: words, options, allowPositionals: program.args !== "" });
    const flags = all.filter(([, { value }]) => value === undefined).map(([option]) => [option, false]);
    return { values: { ...Object.fromEntries(flags), ...parsed.values }, args: parsed.positionals };
  } catch (thrown) {
    throw usageError(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function helpOf({ name, summary, args, options, examples }: Program<Record<string, Option>>): string {
  const all: readonly [string, Option][] = Object.entries({ ...options, ...always });
  const rows = all.map(([option, { short, value, help }]) => {
    const head = `${short === undefined ? "    " : `-${short}, `}--${option}${value === undefined ? "" : ` ${value}`}`;
    return [head, help] as const;
  });
  const width = Math.max(...rows.map(([head]) => head.length));
  return [
    `${name}: ${summary}`,
    "",
    `usage: node dist/examples/${name}/main.js [options]${args === "" ? "" : ` ${args}`}`,
    "",
    ...rows.map(([head, help]) => `  ${head.padEnd(width)}  ${help}`),
    "",
    "examples:",
    ...examples.map((line) => `  node dist/examples/${name}/main.js ${line}`),
    "",
  ].join("\n");
}

/** In place on a terminal; elsewhere a line when all of it is done. */
function progressOn(stream: NodeJS.WriteStream): Context<Record<string, Option>>["progress"] {
  return (what, done, total) => {
    const text = `${what}: ${done} of ${total}`;
    if (stream.isTTY) stream.write(`\r\x1b[K${text}${done === total ? "\n" : ""}`);
    else if (done === total) stream.write(`${text}\n`);
  };
}
