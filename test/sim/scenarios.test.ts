import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { playScenario } from "./scenario.ts";

const folder = fileURLToPath(new URL("../scenarios/", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".scenario"));

test("there are scenarios, and each says what it is about", () => {
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) expect(readFileSync(folder + name, "utf8"), name).toMatch(/^# .+\n/);
  const readme = readFileSync(`${folder}README.md`, "utf8");
  for (const name of names) expect(readme).toContain(name);
});

test.each(names)("%s ends as it should", async (name) => {
  const text = readFileSync(folder + name, "utf8");
  expect(await playScenario(text)).toBe(text);
});

test("what goes otherwise is shown in its line", async () => {
  const text = "nodes 3, code 1+1\na: put k one -> KEY_EXISTS\na: get k -> two\nfly away\n----\n";
  const lines = (await playScenario(text)).split("\n");
  expect(lines.slice(1, 4)).toEqual([
    "a: put k one -> ok",
    "a: get k -> one",
    "fly away -> cannot be played: no statement begins with fly",
  ]);
  expect(lines.slice(4)).toEqual(["----", "k: one", "violations: none", ""]);
});
