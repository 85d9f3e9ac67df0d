/** The rules of DESIGN.md and STYLE.md that a machine can hold: the project keeps them all. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bannedCalls, bannedSyntax, leftMarks, switchedOffTests, systemTimeImports } from "./banned-code.ts";
import { badNames, longFiles, strayTests } from "./file-shape.ts";
import { importCycles, importsOf, wrongDependencies, wrongDirections, wrongModules } from "./imports.ts";
import { type ProjectFile, projectRoot, readProject } from "./project-files.ts";

const isSource = ({ path }: ProjectFile): boolean => /^(?:src|client|cache-node|bench|examples)\//.test(path);
const isKernel = ({ path }: ProjectFile): boolean => path.endsWith(".as.ts") || path.endsWith(".d.ts");

const everything = readProject(/\.(?:ts|js|mjs|json|md|yml|yaml|txt)$|^\.ci\/run$|^[^/]*ignore$/);
const scripts = everything.filter(({ path }) => /\.(?:ts|js|mjs)$/.test(path));
const sources = scripts.filter((file) => isSource(file) && !isKernel(file));
const tests = scripts.filter(({ path }) => path.startsWith("test/"));

test("there is something to hold to the rules", () => {
  // A wrong folder or pattern would keep every rule.
  expect(sources.length).toBeGreaterThan(100);
  expect(tests.length).toBeGreaterThan(30);
  expect(sources.flatMap(importsOf).length).toBeGreaterThan(500);
});

describe("imports", () => {
  test("go one way", () => expect(wrongDirections(sources)).toEqual([]));
  test("of packages and of Node's modules are where they belong", () =>
    expect(wrongModules(sources)).toEqual([]));
  test("make no cycles", () => expect(importCycles(sources)).toEqual([]));
  test("are the dependencies that package.json declares", () => {
    const declared: unknown = JSON.parse(readFileSync(`${projectRoot}package.json`, "utf8"));
    expect(wrongDependencies(sources, declared as Parameters<typeof wrongDependencies>[1])).toEqual([]);
  });
});

describe("code", () => {
  test("is given its time, its chance and its settings", () => expect(bannedCalls(sources)).toEqual([]));
  test("does not take the system's clock by itself", () => expect(systemTimeImports(sources)).toEqual([]));
  test("has no any, no default export, no export *", () => {
    expect(bannedSyntax([...sources, ...tests])).toEqual([]);
  });
  test("is not switched off in tests", () => expect(switchedOffTests(tests)).toEqual([]));
});

describe("files", () => {
  test("have no marks of work left for later", () => expect(leftMarks(everything)).toEqual([]));
  test("have names that say what is in them", () => expect(badNames(scripts)).toEqual([]));
  test("are short enough to be read", () => expect(longFiles(scripts)).toEqual([]));
  test("of tests lie where their source does", () => {
    const cases = tests.filter(({ path }) => path.endsWith(".test.ts")).map(({ path }) => path);
    expect(
      strayTests(
        cases,
        scripts.filter(isSource).map(({ path }) => path),
      ),
    ).toEqual([]);
  });
});
