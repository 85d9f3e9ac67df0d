/** What a file imports, and the rules about it. */
import { posix } from "node:path";
import { type ProjectFile, placeOf } from "./project-files.ts";

export interface Import {
  /** `node:fs`, `fastify`, or for a relative import the path from the project's root. */
  readonly target: string;
  readonly relative: boolean;
  /** It vanishes when types are stripped. */
  readonly typeOnly: boolean;
  /** What stands between `import` and `from`. */
  readonly names: string;
  /** Runs only when it is reached: `import(...)`. */
  readonly dynamic: boolean;
  readonly place: string;
}

const statement = /^[ \t]*(?:import|export)\b((?:[^"';]|\n)*?)\bfrom\s*["']([^"']+)["']/gm;
const sideEffect = /^[ \t]*import\s*()["']([^"']+)["']/gm;
const dynamic = /\bimport\s*\(\s*()["']([^"']+)["']\s*\)/g;

export function importsOf(file: ProjectFile): Import[] {
  return [statement, sideEffect, dynamic].flatMap((pattern) =>
    [...file.withoutComments.matchAll(pattern)]
      // Examples in strings look like imports: there the word itself is blank.
      .filter((match) => /\S/.test(file.code.slice(match.index, match.index + match[0].indexOf("port") + 4)))
      .map((match): Import => {
        const [, names = "", specifier = ""] = match;
        const relative = specifier.startsWith(".");
        return {
          target: relative ? posix.join(posix.dirname(file.path), specifier) : specifier,
          relative,
          typeOnly: isTypeOnly(names),
          names: names.trim(),
          dynamic: pattern === dynamic,
          place: placeOf(file, match.index),
        };
      }),
  );
}

/** `import type ...`, or braces with nothing but `type` names in them. */
function isTypeOnly(names: string): boolean {
  const text = names.trim();
  if (text.startsWith("type ") || text.startsWith("type{")) return true;
  const inBraces = /^\{([^}]*)\}$/.exec(text)?.[1];
  if (inBraces === undefined) return false;
  const each = inBraces.split(",").filter((name) => name.trim() !== "");
  return each.length > 0 && each.every((name) => /^\s*type\s/.test(name));
}

/**
 * The parts of the project, and for each the parts that it may import besides itself (DESIGN.md, section 2). A path
 * belongs to the longest part that it begins with. Types count as much as values: whoever knows a type knows its part.
 */
const base = ["src/errors.ts", "src/clock.ts", "src/ids.ts"];
const pure = ["src/wire", "src/erasure", "src/checksum", "src/placement", "src/auth"];
const sdk = [...base, ...pure, "src/end-of-turn.ts", "src/free-array-buffer.ts", "client"];
export const importsAllowed: Readonly<Record<string, readonly string[]>> = {
  "src/errors.ts": [],
  "src/clock.ts": [],
  "src/ids.ts": [],
  "src/end-of-turn.ts": [],
  "src/free-array-buffer.ts": [],
  "src/erasure": base,
  "src/checksum": base,
  "src/placement": base,
  "src/auth": base,
  "src/wire": [...base, "src/placement"],
  client: [...base, ...pure, "src/end-of-turn.ts", "src/free-array-buffer.ts", "src/durable"],
  "cache-node": [...sdk, "src/durable"],
  "src/controller": [...sdk, "src/durable"],
  "src/executor": sdk,
  "src/durable": base,
  // Whoever plans needs no SDK, and the SDK no plan.
  "src/shuffle-plan": [...base, "src/wire", "src/placement"],
  "src/sort": [...sdk, "src/executor", "src/shuffle-plan", "src/durable"],
  "src/embedded-fleet.ts": [...base, "src/controller"],
  "src/testing": ["src/embedded-fleet.ts"],
  bench: [
    ...sdk,
    ...["cache-node", "src/sort", "src/executor", "src/embedded-fleet.ts", "src/durable"],
    // The same chain, with other exchanges in it.
    "examples/excamera-chain",
  ],
  examples: ["examples/run-on-fleet.ts", "examples/excamera-chain"],
  "examples/excamera-chain": ["examples", "examples/run-on-fleet.ts"],
  "src/cli": [
    ...sdk,
    ...[
      "src/sort",
      "src/shuffle-plan",
      "src/executor",
      "src/durable",
      "src/embedded-fleet.ts",
      "src/controller",
      "cache-node",
      "bench",
    ],
  ],
};

/** Parts of which those may only know the types until they need them: what they bring with them is large. */
const importsLate: Readonly<Record<string, readonly string[]>> = { client: ["src/durable"] };

function partOf(path: string): string | undefined {
  return Object.keys(importsAllowed)
    .filter((part) => path === part || path.startsWith(`${part}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** Every import goes down, never up or across. */
export function wrongDirections(files: readonly ProjectFile[]): string[] {
  return files.flatMap((file) => {
    const part = partOf(file.path);
    if (part === undefined) return [`${file.path} is in no part that importsAllowed knows`];
    return importsOf(file)
      .filter(({ relative }) => relative)
      .flatMap(({ target, place, typeOnly, dynamic }) => {
        const other = partOf(target);
        const isLate = other !== undefined && importsLate[part]?.includes(other) === true;
        if (isLate && !typeOnly && !dynamic)
          return [`${place} ${part} must import ${target} where it is needed`];
        if (other === part || (other !== undefined && importsAllowed[part]!.includes(other))) return [];
        return [`${place} ${part} must not import ${target}`];
      });
  });
}

/** What pure parts may have of Node: nothing that does I/O, waits or tells the time. */
const pureBuiltins: Readonly<Record<string, RegExp>> = {
  "node:crypto": /./,
  "node:net": /^\{ isIPv[46](?:, isIPv[46])? \}$/,
};

/** Packages by the parts that may import them. */
const packagesAllowed: Readonly<Record<string, RegExp>> = {
  "src/controller": /^(?:fastify|@fastify\/.+|typebox(?:\/.+)?)$/,
  "src/executor": /^@aws-sdk\/client-lambda$/,
  "src/durable": /^@aws-sdk\/client-s3$/,
  bench:
    /^(?:@subspace\/reed-solomon-erasure\.wasm|koffi|ioredis|redis|@aws-sdk\/client-s3|@duckdb\/node-api|@smithy\/.+|autocannon|esbuild)$/,
  "examples/excamera-chain": /^(?:mayfly(?:\/.+)?|gifwrap)$/,
  // As a user would: the package by its public entries.
  examples: /^(?:mayfly(?:\/.+)?|@msgpack\/msgpack|apache-arrow|@duckdb\/node-api)$/,
  "examples/run-on-fleet.ts": /^mayfly(?:\/.+)?$/,
};

/** Packages where they belong; no I/O in pure parts; in the SDK's import graph nothing but Node's own modules. */
export function wrongModules(files: readonly ProjectFile[]): string[] {
  return files.flatMap((file) => {
    const part = partOf(file.path) ?? "";
    return importsOf(file)
      .filter(({ relative }) => !relative)
      .flatMap(({ target, names, place }) => {
        if (target.startsWith("node:")) {
          const isPure = [...pure, ...base, "src/shuffle-plan"].includes(part);
          if (!isPure || pureBuiltins[target]?.test(names)) return [];
          return [`${place} ${part} is pure and must not import ${target}`];
        }
        return packagesAllowed[part]?.test(target) ? [] : [`${place} ${part} must not import ${target}`];
      });
  });
}

/** Packages that are imported and not declared as a runtime dependency, or the other way round. The package's own name is none. */
export function wrongDependencies(
  files: readonly ProjectFile[],
  declared: {
    readonly name?: string;
    readonly dependencies?: Record<string, string>;
    readonly peerDependencies?: Record<string, string>;
    readonly devDependencies?: Record<string, string>;
  },
): string[] {
  const imported = new Set<string>();
  for (const file of files) {
    const development = /^(?:bench|examples)\//.test(file.path);
    for (const { target, relative } of importsOf(file)) {
      if (relative || target.startsWith("node:")) continue;
      const name = target.split("/", target.startsWith("@") ? 2 : 1).join("/");
      if (name === declared.name) continue;
      if (!development || declared.devDependencies?.[name] === undefined) imported.add(name);
    }
  }
  const runtime = Object.keys({ ...declared.dependencies, ...declared.peerDependencies });
  return [
    ...[...imported]
      .filter((name) => !runtime.includes(name))
      .map((name) => `${name} is imported and no dependency`),
    ...runtime
      .filter((name) => !imported.has(name))
      .map((name) => `${name} is a dependency and not imported`),
  ];
}

/**
 * Cycles of files, each once, as "a -> b -> a". Type-only imports do not count: they are gone when the code runs, and
 * two types may well speak of one another. Dynamic imports do count.
 */
export function importCycles(files: readonly ProjectFile[]): string[] {
  const edges = new Map(
    files.map((file) => [
      file.path,
      importsOf(file)
        .filter(({ relative, typeOnly }) => relative && !typeOnly)
        .map(({ target }) => target),
    ]),
  );
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) cycles.push([...trail.slice(seenAt), path].join(" -> "));
    if (seenAt >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) walk(path, []);
  return cycles;
}
