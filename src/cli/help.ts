/** Help, generated from the verbs themselves. */
import type { Option } from "./option.ts";
import { commonOptions } from "./parse-command-line.ts";
import type { Verb } from "./verb.ts";

const columns = 100;

/** What `mayfly --help` prints. */
export function mainHelp(verbs: readonly Verb[]): string {
  const nameWidth = Math.max(...verbs.map((verb) => verb.name.length));
  return [
    "mayfly: a memory store for the intermediate data of serverless functions",
    "",
    "Usage: mayfly VERB [arguments] [options]",
    "",
    "Verbs:",
    ...verbs.map((verb) => `  ${verb.name.padEnd(nameWidth)}  ${verb.summary}`),
    "",
    "Begin with:",
    "  mayfly dev                  a fleet on this machine",
    "  mayfly help VERB            all about a verb; so does: mayfly VERB --help",
    "  mayfly --version",
    "",
    "Environment:",
    "  MAYFLY_TICKET      the job that put, get, ls and rm work on; `mayfly job create` prints it",
    "  MAYFLY_CONTROLLER  URL of the controller, for all other verbs; default http://127.0.0.1:7400",
    "  MAYFLY_STORE       URL of the fleet's object store, to read there directly; default through the nodes",
    "",
  ].join("\n");
}

/** What `mayfly VERB --help` prints. */
export function verbHelp(verb: Verb): string {
  const options = Object.entries({ ...verb.options, ...commonOptions });
  const left = options.map(([name, option]) => optionHead(name, option));
  const leftWidth = Math.max(...left.map((text) => text.length));
  const lines = options.flatMap(([, option], at) => {
    const [first = "", ...rest] = wrap(optionText(option), columns - leftWidth - 4);
    const indent = " ".repeat(leftWidth + 4);
    return [`  ${left[at]!.padEnd(leftWidth)}  ${first}`, ...rest.map((line) => indent + line)];
  });
  const paragraphs = verb.description?.split("\n\n").flatMap((text) => [...wrap(text, columns), ""]) ?? [];
  return [
    `mayfly ${verb.name}: ${verb.summary}`,
    "",
    `Usage: ${`mayfly ${verb.name} ${verb.usage}`.trimEnd()} [options]`,
    "",
    ...paragraphs,
    "Options:",
    ...lines,
    "",
    verb.examples.length === 1 ? "Example:" : "Examples:",
    ...verb.examples.map((line) => `  ${line}`),
    "",
  ].join("\n");
}

/** What `mayfly job` prints: the verbs that begin with this word. */
export function groupHelp(word: string, verbs: readonly Verb[]): string {
  const usages = verbs.map((verb) => `mayfly ${verb.name} ${verb.usage}`.trimEnd());
  const width = Math.max(...usages.map((usage) => usage.length));
  return [
    `Usage: mayfly ${word} VERB`,
    "",
    ...verbs.map((verb, at) => `  ${usages[at]!.padEnd(width)}  ${verb.summary}`),
    "",
  ].join("\n");
}

function optionHead(name: string, { short, value }: Option<unknown>): string {
  const dashes = short === undefined ? "    " : `-${short}, `;
  return `${dashes}--${name}${value === undefined ? "" : ` ${value}`}`;
}

function optionText({ help, default: fallback, defaultNote, env }: Option<unknown>): string {
  const known = defaultNote ?? fallback;
  const notes = [
    ...(env === undefined ? [] : [`$${env}`]),
    ...(known === undefined || known === "" ? [] : [env === undefined ? known : `else ${known}`]),
  ];
  return notes.length === 0 ? help : `${help} (default ${notes.join(", ")})`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
