/** Rules about files as wholes: their names, their length, their place. */
import type { ProjectFile } from "./project-files.ts";

const vague = /(?:^|[/-])(?:utils?|helpers?|common|managers?|misc|shared)(?:[.-]|$)/;

/** A file is named after its topic, in kebab-case. */
export function badNames(files: readonly ProjectFile[]): string[] {
  return files.flatMap(({ path }) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (vague.test(name)) return [`${path} says nothing about what is in it`];
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)+$/.test(name)) return [`${path} is not in kebab-case`];
    return [];
  });
}

/** STYLE.md: at 400 look for the noun that wants to leave. Tests, which are lists of cases, may have some more. */
export const linesMax = 400;
export const testLinesMax = 500;

export function longFiles(files: readonly ProjectFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    const max = path.startsWith("test/") ? testLinesMax : linesMax;
    return lines > max ? [`${path} has ${lines} lines, above ${max}`] : [];
  });
}

/** Folders of tests that mirror no source: they test what lies between files, or serve other tests. */
const freeFolders = [
  "integration",
  "docs",
  "rules",
  "support",
  "sim",
  "history",
  "chaos",
  "clients",
  "conformance",
  "scripts",
];

/**
 * Each test lies in the folder that mirrors the one it tests: test/wire/ for src/wire/, test/cache-node/store/ for
 * cache-node/store/. A file may have another name than the source (one behaviour a file), but not another place.
 */
export function strayTests(tests: readonly string[], sources: readonly string[]): string[] {
  const folders = new Set(sources.flatMap((path) => foldersOf(path)));
  return tests
    .filter((path) => {
      const folder = path.slice("test/".length, Math.max("test/".length, path.lastIndexOf("/")));
      if (freeFolders.includes(folder.split("/")[0]!)) return false;
      if (folder === "")
        return !sources.includes(`src/${path.slice("test/".length).replace(".test.ts", ".ts")}`);
      return !folders.has(folder) && !folders.has(`src/${folder}`);
    })
    .map((path) => `${path} lies beside nothing that it could test`);
}

function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}
