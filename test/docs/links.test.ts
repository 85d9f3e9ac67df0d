import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { expect, test } from "vitest";
import { projectRoot } from "../rules/project-files.ts";

const read = (path: string): string => readFileSync(`${projectRoot}${path}`, "utf8");
const documents = [
  "README.md",
  ...readdirSync(`${projectRoot}docs`, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => `docs/${path}`),
  "examples/README.md",
];

/** What GitHub makes of a heading. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

test.each(documents)("%s links to what is there", (path) => {
  const links = [...read(path).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
  for (const link of links.filter((target) => !/^https?:/.test(target))) {
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : posix.join(posix.dirname(path), file);
    expect(existsSync(`${projectRoot}${target}`), `${path}: ${link}`).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(read(target)), `${path}: ${link}`).toContain(anchor);
  }
});

test.each(documents)("%s names only files and folders that are there", (path) => {
  const named = [
    ...read(path).matchAll(
      /`((?:src|client|cache-node|test|bench|examples|scripts|docs)\/[\w./-]+)(?:#[\w.]+)?`/g,
    ),
  ];
  for (const [, file] of named) expect(existsSync(`${projectRoot}${file}`), `${path}: ${file}`).toBe(true);
});
