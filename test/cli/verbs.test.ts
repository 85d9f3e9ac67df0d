import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";
import { findVerb, loadVerbs, verbNames, verbsOfGroup } from "../../src/cli/verbs.ts";

test("every verb is the one that it is registered as", async () => {
  const verbs = await loadVerbs(verbNames);
  expect(verbs.map((verb) => verb.name)).toEqual(verbNames);
});

test("every example is a command line that the verb takes", async () => {
  for (const verb of await loadVerbs(verbNames)) {
    expect(verb.examples.length, verb.name).toBeGreaterThan(0);
    for (const example of verb.examples) {
      const [line] = /mayfly [^|)]*/.exec(example) ?? [];
      const found = findVerb(line!.trim().split(/\s+/).slice(1));
      expect(found?.name, example).toBe(verb.name);
      expect(() => parseCommandLine(verb, found!.args, {}), example).not.toThrow();
    }
  }
});

test("a name of two words is found before one of one word", () => {
  expect(findVerb(["job", "ls", "--json"])).toMatchObject({ name: "job ls", args: ["--json"] });
  expect(findVerb(["ls", "job"])).toMatchObject({ name: "ls", args: ["job"] });
  expect(findVerb(["job"])).toBeUndefined();
  expect(findVerb(["toString"])).toBeUndefined();
  expect(findVerb([])).toBeUndefined();
  expect(verbsOfGroup("job")).toContain("job create");
  expect(verbsOfGroup("put")).toEqual([]);
});

/** Files that a module imports, and those import; with `later`, also what `import()` names. */
function reached(path: string, later: boolean, found = new Set<string>()): Set<string> {
  if (found.has(path) || path.endsWith(".wasm.generated.ts")) return found;
  found.add(path);
  if (!path.endsWith(".ts")) return found;
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const now = [...text.matchAll(/^(?:import|export)(?! type)[^;]*? from "([^"]+)";|^import "([^"]+)";/gm)];
  const dynamic = later ? [...text.matchAll(/import\("([^"]+)"\)/g)] : [];
  for (const [, from, bare] of [...now, ...dynamic]) {
    const target = (from ?? bare)!;
    const resolved = target.startsWith(".") ? new URL(target, `file:///${path}`).pathname.slice(1) : target;
    reached(resolved, later, found);
  }
  return found;
}

test("the program imports no verb before it knows which, and nothing but Node's modules", () => {
  const files = [...reached("src/cli/main.ts", false)];
  expect(files).toContain("src/cli/verbs.ts");
  for (const file of files) expect(file).toMatch(/^node:|^src\/(?:cli\/|errors\.ts|clock\.ts)/);
  expect(files).not.toContain("src/cli/put.ts");
});

test.each(["put", "get", "ls", "rm", "status", "job", "scale", "drain", "restart"])(
  "%s never loads the controller, nor a package but the S3 client where MAYFLY_STORE names a bucket",
  (verb) => {
    const files = [...reached(`src/cli/${verb}.ts`, true)];
    expect(files.some((file) => file.startsWith("client/"))).toBe(true);
    const known = /^(?:node:|client\/|src\/(?!controller\/)|@aws-sdk\/client-s3$)/;
    expect(files.filter((file) => !known.test(file))).toEqual([]);
  },
);

test("help of all verbs loads no package either", () => {
  for (const name of ["dev", "controller", "node", "bench"]) {
    const outside = [...reached(`src/cli/${name}.ts`, false)].filter(
      (file) => !/^(?:node:|src\/)/.test(file),
    );
    expect(outside).toEqual([]);
  }
});
