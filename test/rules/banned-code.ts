/** Rules about what stands in a file: calls that belong to few places, and things that belong to none. */
import { importsOf } from "./imports.ts";
import { type ProjectFile, placeOf } from "./project-files.ts";

interface Ban {
  readonly what: string;
  readonly pattern: RegExp;
  /** Where it may be nevertheless. */
  readonly allowed: RegExp;
}

/** Main files, the CLI and benchmarks stand between the process and the code that is given time, chance and settings. */
const outermost =
  /^src\/clock\.ts$|(?:^|\/)main\.ts$|^src\/cli\/|^bench\/|^src\/executor\/local-function\.ts$/;
const orConnect = new RegExp(`${outermost.source}|^client/connect\\.ts$`);

const bans: readonly Ban[] = [
  { what: "Date.now()", pattern: /\bDate\s*\.\s*now\b/g, allowed: outermost },
  { what: "new Date() without a time", pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?!\s*\())/g, allowed: outermost },
  { what: "performance.now()", pattern: /\bperformance\s*\.\s*(?:now|timeOrigin)\b/g, allowed: outermost },
  { what: "process.hrtime", pattern: /\bprocess\s*\.\s*(?:hrtime|uptime)\b/g, allowed: outermost },
  {
    what: "a timer of Node's",
    pattern: /(?<![.\w$])(?:setTimeout|setInterval)\b|\bnode:timers/g,
    allowed: outermost,
  },
  {
    what: "setImmediate()",
    pattern: /(?<![.\w$])setImmediate\b/g,
    allowed: new RegExp(`${outermost.source}|^src/end-of-turn\\.ts$`),
  },
  { what: "Math.random()", pattern: /\bMath\s*\.\s*random\b/g, allowed: outermost },
  { what: "process.env", pattern: /\bprocess\s*\.\s*env\b|\bprocess\s*\[/g, allowed: orConnect },
];

/** The calls of DESIGN.md that only the outermost files may make; all others are given a Clock and an Rng. */
export function bannedCalls(files: readonly ProjectFile[]): string[] {
  return files.flatMap((file) =>
    bans
      .filter(({ allowed }) => !allowed.test(file.path))
      .flatMap(({ what, pattern }) =>
        [...file.code.matchAll(pattern)].map((match) => `${placeOf(file, match.index)} uses ${what}`),
      ),
  );
}

/**
 * Files that may take the system's clock and randomness themselves: the outermost ones, those whose options default to
 * them, and functions, which have nobody above them.
 */
const systemAllowed = new RegExp(
  `${orConnect.source}|^src/controller/options\\.ts$|^src/controller/provisioners/process\\.ts$` +
    "|^src/executor/(?:local|lambda)-executor\\.ts$|^src/auth/token\\.ts$|^client/http-client\\.ts$|^src/sort/functions/",
);

/** `systemClock` behind the back of whoever gives a clock is as bad as `Date.now()`. */
export function systemTimeImports(files: readonly ProjectFile[]): string[] {
  return files
    .filter(({ path }) => !systemAllowed.test(path))
    .flatMap((file) =>
      importsOf(file)
        .filter(({ target, names }) => target === "src/clock.ts" && /\bsystem(?:Clock|Rng)\b/.test(names))
        .map(({ place, names }) => `${place} takes ${names} instead of being given a clock`),
    );
}

const banned: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "export *", pattern: /\bexport\s*\*/g },
  { what: "a default export", pattern: /\bexport\s+default\b|\bas\s+default\b/g },
  // Where a type can stand: a variable may well be called so, and so is a method of Promise.
  {
    what: "the type any",
    pattern:
      /(?:[:<|&]|\b(?:as|satisfies|extends)|=>|\btype\s[^=;]*=)\s*any\b(?!\s*[(:.])|,\s*any\s*>|\bany\s*\[\s*\]/g,
  },
  { what: "a comment that switches the compiler off", pattern: /@ts-(?:ignore|nocheck|expect-error)/g },
];

/** Things that no source file may hold. */
export function bannedSyntax(files: readonly ProjectFile[]): string[] {
  return files.flatMap((file) =>
    banned.flatMap(({ what, pattern }) => {
      const where = pattern.source.startsWith("@") ? file.text : file.code;
      return [...where.matchAll(pattern)].map((match) => `${placeOf(file, match.index)} has ${what}`);
    }),
  );
}

/** Made of halves, so that this file does not find itself. */
const marks = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`, "g");

/** Work that somebody meant to do later belongs to an issue. */
export function leftMarks(files: readonly ProjectFile[]): string[] {
  return files.flatMap((file) =>
    [...file.text.matchAll(marks)].map((match) => `${placeOf(file, match.index)} has a mark ${match[0]}`),
  );
}

/** A test that is switched off, or switches off the others. With a condition (`skipIf`) it says when. */
export function switchedOffTests(files: readonly ProjectFile[]): string[] {
  const pattern = /\b(?:test|it|describe|suite|bench)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/g;
  return files.flatMap((file) =>
    [...file.code.matchAll(pattern)].map((match) => `${placeOf(file, match.index)} has ${match[0]}`),
  );
}
