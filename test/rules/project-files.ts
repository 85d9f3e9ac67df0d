/** The project's own files, as the rules see them. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { blankText } from "./source-text.ts";

export interface ProjectFile {
  /** From the project's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly withoutComments: string;
  readonly code: string;
}

export const projectRoot: string = fileURLToPath(new URL("../..", import.meta.url));

/** Files of ours that are no code of ours. */
const skipped =
  /(?:^|\/)(?:node_modules|dist|\.git|\.mayfly|vectors)(?:\/|$)|\.generated\.ts$|^bench\/results\//;

export function projectFile(path: string, text: string): ProjectFile {
  return {
    path,
    text,
    ...(/\.[mc]?[jt]s$/.test(path) ? blankText(text) : { withoutComments: text, code: text }),
  };
}

/** All files below the folder whose names match. */
export function readProject(matches: RegExp, folder = ""): ProjectFile[] {
  return readdirSync(`${projectRoot}${folder}`, { withFileTypes: true })
    .flatMap((entry): ProjectFile[] => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (skipped.test(path)) return [];
      if (entry.isDirectory()) return readProject(matches, path);
      return matches.test(path) ? [projectFile(path, readFileSync(`${projectRoot}${path}`, "utf8"))] : [];
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** `path:line`, for the place of a match in the text of a file. */
export function placeOf(file: ProjectFile, offset: number): string {
  return `${file.path}:${file.text.slice(0, offset).split("\n").length}`;
}
