/** Each rule can fail: it finds what is planted here, and does not take its innocent neighbour for it. */
import { describe, expect, test } from "vitest";
import { bannedCalls, bannedSyntax, leftMarks, switchedOffTests, systemTimeImports } from "./banned-code.ts";
import { badNames, linesMax, longFiles, strayTests, testLinesMax } from "./file-shape.ts";
import { importCycles, importsOf, wrongDependencies, wrongDirections, wrongModules } from "./imports.ts";
import { type ProjectFile, projectFile } from "./project-files.ts";

const one = (path: string, text: string): ProjectFile[] => [projectFile(path, text)];

describe("importsOf", () => {
  test("finds every form, with its place", () => {
    const [file] = one(
      "src/wire/a.ts",
      [
        'import { type B, c } from "./b.ts";',
        'import type { D } from "../d.ts";',
        'import "node:fs";',
        "export {",
        "  e,",
        '} from "../placement/e.ts";',
        'const f = await import("./f.ts");',
        '// import g from "./g.ts";',
        "const text = 'import h from \"./h.ts\"';",
        'const kind = "from"; const other = "./i.ts";',
      ].join("\n"),
    );
    const found = importsOf(file!).map(({ target, typeOnly, place }) => [target, typeOnly, place]);
    expect(found).toEqual([
      ["src/wire/b.ts", false, "src/wire/a.ts:1"],
      ["src/d.ts", true, "src/wire/a.ts:2"],
      ["src/placement/e.ts", false, "src/wire/a.ts:4"],
      ["node:fs", false, "src/wire/a.ts:3"],
      ["src/wire/f.ts", false, "src/wire/a.ts:7"],
    ]);
  });
});

describe("import directions", () => {
  test.each([
    ["src/wire/a.ts", "../../client/job.ts"],
    ["src/placement/a.ts", "../wire/ref.ts"],
    ["client/a.ts", "../cache-node/node.ts"],
    ["client/a.ts", "../src/controller/fleet.ts"],
    ["cache-node/a.ts", "../src/controller/fleet.ts"],
    ["src/controller/a.ts", "../../cache-node/node.ts"],
    ["src/executor/a.ts", "../sort/run-sort.ts"],
    ["src/controller/a.ts", "../cli/verb.ts"],
    ["src/errors.ts", "./clock.ts"],
    ["src/newcomer/a.ts", "../errors.ts"],
    ["examples/word-count/main.ts", "../../client/index.ts"],
    ["examples/word-count/main.ts", "../../src/executor/executor.ts"],
    ["bench/a.ts", "../examples/command-line.ts"],
  ])("%s must not import %s", (path, specifier) => {
    expect(wrongDirections(one(path, `import type { A } from "${specifier}";`))).toHaveLength(1);
  });

  test("downwards is right", () => {
    expect(wrongDirections(one("cache-node/a.ts", 'import { A } from "../client/transport/a.ts";'))).toEqual(
      [],
    );
    expect(wrongDirections(one("src/wire/a.ts", 'import { A } from "../placement/a.ts";'))).toEqual([]);
  });

  test("the SDK knows the types of the object store, and loads it when it needs it", () => {
    const store = "../src/durable/open-store.ts";
    expect(wrongDirections(one("client/a.ts", `import { openObjectStore } from "${store}";`))).toHaveLength(
      1,
    );
    expect(wrongDirections(one("client/a.ts", `import type { A } from "${store}";`))).toEqual([]);
    expect(wrongDirections(one("client/a.ts", `const it = await import("${store}");`))).toEqual([]);
    expect(wrongDirections(one("cache-node/a.ts", `import { A } from "${store}";`))).toEqual([]);
  });
});

describe("modules", () => {
  test.each([
    ["client/a.ts", 'import Fastify from "fastify";'],
    ["src/erasure/a.ts", 'import { load } from "@subspace/reed-solomon-erasure.wasm";'],
    ["src/wire/a.ts", 'import { readFile } from "node:fs/promises";'],
    ["src/placement/a.ts", 'import net, { isIPv4 } from "node:net";'],
    ["src/cli/a.ts", 'import { parse } from "yaml";'],
    ["src/sort/a.ts", 'const sdk = await import("@aws-sdk/client-lambda");'],
    ["client/a.ts", 'import { connect } from "mayfly";'],
    ["examples/a/main.ts", 'import Fastify from "fastify";'],
  ])("%s must not have %s", (path, text) => expect(wrongModules(one(path, text))).toHaveLength(1));

  test("what has no I/O, and what is where it belongs, is right", () => {
    expect(wrongModules(one("src/placement/a.ts", 'import { isIPv4 } from "node:net";'))).toEqual([]);
    expect(wrongModules(one("src/controller/a.ts", 'import Fastify from "fastify";'))).toEqual([]);
    expect(wrongModules(one("examples/a/main.ts", 'import { jsonLines } from "mayfly/records";'))).toEqual(
      [],
    );
  });

  test("dependencies are those imported", () => {
    const files = one(
      "src/controller/a.ts",
      'import { Value } from "typebox/value";\nimport Fastify from "fastify";',
    );
    expect(wrongDependencies(files, { dependencies: { fastify: "1", typebox: "1" } })).toEqual([]);
    expect(wrongDependencies(files, { dependencies: { fastify: "1", left: "1" } })).toEqual([
      "typebox is imported and no dependency",
      "left is a dependency and not imported",
    ]);
    const split = { dependencies: { fastify: "1" }, peerDependencies: { typebox: "1", left: "1" } };
    expect(wrongDependencies(files, split)).toEqual(["left is a dependency and not imported"]);
    const example = one(
      "examples/a/main.ts",
      'import { connect } from "mayfly";\nimport { a } from "arrow";',
    );
    expect(wrongDependencies(example, { name: "mayfly", devDependencies: { arrow: "1" } })).toEqual([]);
    expect(wrongDependencies(example, { name: "mayfly" })).toEqual(["arrow is imported and no dependency"]);
  });
});

describe("cycles", () => {
  const ring = (middle: string): ProjectFile[] => [
    projectFile("src/wire/a.ts", 'import { b } from "./b.ts";'),
    projectFile("src/wire/b.ts", middle),
    projectFile("src/wire/c.ts", 'export { a } from "./a.ts";'),
  ];
  test("of values are found", () => {
    expect(importCycles(ring('import { c } from "./c.ts";'))).toEqual([
      "src/wire/a.ts -> src/wire/b.ts -> src/wire/c.ts -> src/wire/a.ts",
    ]);
    expect(importCycles(ring('const c = import("./c.ts");'))).toHaveLength(1);
  });
  test("of types are none", () => {
    expect(importCycles(ring('import type { C } from "./c.ts";'))).toEqual([]);
    expect(importCycles(ring('import { type C, type D } from "./c.ts";'))).toEqual([]);
  });
});

describe("calls", () => {
  test.each([
    "const a = Date.now();",
    "const a = new Date();",
    `const a = \`$${"{new Date().toISOString()}"}\`;`,
    "const a = performance.now();",
    "setTimeout(a, 1);",
    "setInterval(a, 1);",
    "const a = Math.random();",
    'const a = process.env["A"];',
    'const { env } = process["env"];',
    "const a = process.hrtime.bigint();",
  ])("%s", (text) => {
    expect(bannedCalls(one("src/controller/fleet.ts", text))).toHaveLength(1);
    expect(bannedCalls(one("src/cli/sort.ts", text))).toEqual([]);
  });

  test("settings belong to connect(), time does not", () => {
    expect(bannedCalls(one("client/connect.ts", 'process.env["A"]'))).toEqual([]);
    expect(bannedCalls(one("client/connect.ts", "Date.now()"))).toHaveLength(1);
  });

  test.each([
    "const a = new Date(atMs).toISOString();",
    "performance.eventLoopUtilization();",
    "process.nextTick(a);",
    "// Date.now() is banned",
    'const a = "Date.now()";',
    "socket.setTimeout(1);",
  ])("%s is right", (text) => expect(bannedCalls(one("cache-node/node.ts", text))).toEqual([]));

  test("the system's clock is given, not taken", () => {
    const text = 'import { type Clock, systemClock } from "../clock.ts";';
    expect(systemTimeImports(one("src/controller/fleet.ts", text))).toHaveLength(1);
    expect(systemTimeImports(one("src/controller/main.ts", text))).toEqual([]);
    const types = 'import type { Clock } from "../clock.ts";';
    expect(systemTimeImports(one("src/controller/fleet.ts", types))).toEqual([]);
  });
});

describe("syntax", () => {
  test.each([
    'export * from "./a.ts";',
    "export default 1;",
    "export { a as default };",
    "let a: any;",
    "const a = b as any;",
    "let a: Map<string, any>;",
    "let a: any[];",
    "type A = any;",
    "const a = (b: string | any) => b;",
    `// @ts-${"ignore"}`,
  ])("%s", (text) => expect(bannedSyntax(one("src/wire/a.ts", text))).not.toEqual([]));

  test.each(["await Promise.any(a);", "// any byte", "const any = 1; f(a, any);", "let company: Company;"])(
    "%s is right",
    (text) => expect(bannedSyntax(one("src/wire/a.ts", text))).toEqual([]),
  );

  test("marks of work left for later, in comments too", () => {
    expect(leftMarks(one("docs/a.md", `a\n${"TO"}DO: b`))).toEqual([`docs/a.md:2 has a mark ${"TO"}DO`]);
    expect(leftMarks(one("src/a.ts", "\\xXX, todos"))).toEqual([]);
  });

  test.each(["test.only", "describe.skip", "test.concurrent.only", "it.todo"])("%s", (call) => {
    expect(switchedOffTests(one("test/a.test.ts", `${call}("a", () => {});`))).toHaveLength(1);
  });
  test("a test that depends on the machine says on what", () => {
    expect(switchedOffTests(one("test/a.test.ts", 'test.skipIf(noLinux)("a", () => {});'))).toEqual([]);
  });
});

describe("files", () => {
  test.each([
    "src/wire/utils.ts",
    "client/job-helpers.ts",
    "src/common.ts",
    "src/nodeManager.ts",
    "src/Node.ts",
  ])("%s is no name", (path) => expect(badNames(one(path, ""))).toHaveLength(1));
  test.each(["src/wire/reply-decoder.ts", "src/sort/record-sort.as.ts", "test/wire/utility-model.test.ts"])(
    "%s is a name",
    (path) => expect(badNames(one(path, ""))).toEqual([]),
  );

  test("their length", () => {
    expect(longFiles(one("src/a.ts", "a\n".repeat(linesMax)))).toEqual([]);
    expect(longFiles(one("src/a.ts", "a\n".repeat(linesMax + 1)))).toHaveLength(1);
    expect(longFiles(one("test/a.test.ts", "a\n".repeat(linesMax + 1)))).toEqual([]);
    expect(longFiles(one("test/a.test.ts", "a\n".repeat(testLinesMax + 1)))).toHaveLength(1);
  });

  test("the place of tests", () => {
    const sources = ["src/wire/ref.ts", "cache-node/store/segments.ts", "src/clock.ts"];
    const right = [
      "test/wire/ref.test.ts",
      "test/wire/trickle.test.ts",
      "test/cache-node/store/segments.test.ts",
      "test/clock.test.ts",
      "test/integration/kill.test.ts",
    ];
    expect(strayTests(right, sources)).toEqual([]);
    const wrong = ["test/wires/ref.test.ts", "test/store/segments.test.ts", "test/errors.test.ts"];
    expect(strayTests(wrong, sources)).toHaveLength(3);
  });
});
