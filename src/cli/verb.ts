/**
 * What a verb of the CLI is. One file a verb exports one of these; run-cli.ts parses its command line, runs it and reports
 * what it throws; help.ts prints it. A module of a verb is imported for its help too: import what is heavy inside `run`.
 */
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../clock.ts";
import type { Option } from "./option.ts";

/** Options by name, without the dashes. `help` and `json` are added to every verb. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

export type OptionValues<Options extends OptionTable> = {
  readonly [Name in keyof Options]: Options[Name] extends Option<infer Value> ? Value : never;
};

export interface OutputStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The world of a verb: what it may read and write. */
export interface VerbContext<Options extends OptionTable = OptionTable> {
  readonly options: OptionValues<Options>;
  readonly positionals: readonly string[];
  /** With --json: machines read standard output. */
  readonly json: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly clock: Clock;
  /** A line on standard output: what was asked for. */
  print(line: string): void;
  /** A line on standard error: what is said beside it. */
  note(line: string): void;
}

export interface Verb<Options extends OptionTable = OptionTable> {
  /** As typed: "put", "job create". */
  readonly name: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** Positional arguments, like "KEY [FILE|-]" or "[KEY...]"; how many are allowed is read from this. */
  readonly usage: string;
  /** Paragraphs between usage and options. */
  readonly description?: string;
  readonly options: Options;
  /** Whole command lines; at least one. */
  readonly examples: readonly string[];
  /** Resolves when done. @throws MayflyError; a UsageError ends with exit code 2, all others with 1. */
  run(context: VerbContext<Options>): Promise<void>;
}

/** Types `context.options` by the options given. */
export function defineVerb<Options extends OptionTable>(verb: Verb<Options>): Verb {
  return verb;
}
