import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cellCommands } from "../../cache-node/commands/cell-commands.ts";
import { collectionCommands } from "../../cache-node/commands/collection-commands.ts";
import { connectionCommands } from "../../cache-node/commands/connection-commands.ts";
import { durableCommands } from "../../cache-node/commands/durable-commands.ts";
import { mapCommands } from "../../cache-node/commands/map-commands.ts";
import { type ObjectAnswers, objectCommands } from "../../cache-node/commands/object-commands.ts";
import { replicationCommands } from "../../cache-node/commands/replication-commands.ts";
import { serverCommands } from "../../cache-node/commands/server-commands.ts";
import { shardCommands } from "../../cache-node/commands/shard-commands.ts";
import { storeCommands } from "../../cache-node/commands/store-commands.ts";
import { stringCommands } from "../../cache-node/commands/string-commands.ts";
import type { NodeCore } from "../../cache-node/node-core.ts";
import { createController } from "../../src/controller/controller.ts";
import { codeConstant } from "./code-constant.ts";
import { tableWith } from "./markdown-table.ts";

const markdown = readFileSync(new URL("../../docs/PROTOCOL.md", import.meta.url), "utf8");

describe("commands", () => {
  // Tables of commands only keep the core for later.
  const core = {} as NodeCore;
  const commands = [
    ...connectionCommands(core),
    ...serverCommands(core, () => new Map()),
    ...mapCommands(core),
    ...stringCommands(core),
    ...cellCommands(core),
    ...collectionCommands(core),
    ...shardCommands(core),
    ...storeCommands(core),
    ...durableCommands(core),
    ...replicationCommands(core),
    ...objectCommands(() => ({}) as ObjectAnswers),
  ];
  const titles = ["command", "arguments", "scope", "reply"];
  const plain = tableWith(markdown, titles, "### Plain commands");
  const tagged = tableWith(markdown, titles, "### Mayfly commands");

  test.each([
    ["plain", plain, false],
    ["tagged", tagged, true],
  ] as const)("the %s ones are those of a node, with their scopes", (_, rows, isTagged) => {
    const known = commands.filter((command) => command.tagged === isTagged);
    expect(rows.map(({ command, scope }) => `${command} ${scope}`).sort()).toEqual(
      known.map(({ name, scope }) => `${name} ${scope}`).sort(),
    );
  });

  test("every Mayfly command takes as many arguments as the page says", () => {
    for (const row of tagged) {
      const words = row["arguments"]!.match(/\w+/g)!;
      // Those in brackets may be left out.
      const optional = row["arguments"]!.match(/\[\w+\]/g)?.length ?? 0;
      const { args } = commands.find(({ name }) => name === row["command"])!;
      const repeats = /\)[+*]$/.test(row["arguments"]!);
      const starred = /\(([^)]*)\)\*$/.exec(row["arguments"]!)?.[1]?.match(/\w+/g)?.length ?? 0;
      expect([row["command"], args.min, args.max]).toEqual([
        row["command"],
        1 + words.length - optional - starred,
        repeats ? undefined : 1 + words.length,
      ]);
      expect(words[0], row["command"]).toBe("tag");
    }
  });
});

describe("maxima", () => {
  const rows = tableWith(markdown, ["maximum", "value", "in the code"]);

  test.each(rows.map((row) => [row["in the code"]!, row["value"]!]))("%s is %s", (place, value) => {
    const number = /^(\d{1,3}(?:,\d{3})*)(?: \(([^)]*)\))?$/.exec(value);
    expect(number, value).not.toBeNull();
    const documented = Number(number![1]!.replaceAll(",", ""));
    expect(documented).toBe(codeConstant(place));
    if (number![2] !== undefined) expect(inWords(number![2])).toBe(documented);
  });

  test("none is listed twice", () => {
    const places = rows.map((row) => row["in the code"]);
    expect(new Set(places).size).toBe(places.length);
  });
});

const units: Readonly<Record<string, number>> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  minutes: 60_000,
  days: 86_400_000,
};

function inWords(text: string): number {
  const [count = "", unit = ""] = text.split(" ");
  return Number(count) * (units[unit] ?? Number.NaN);
}

describe("routes", () => {
  const controller = createController({ port: 0 });
  let paths: Record<string, Record<string, unknown>> = {};

  beforeAll(async () => {
    const url = await controller.listen();
    const document: unknown = await (await fetch(`${url}/openapi.json`)).json();
    ({ paths } = document as { paths: typeof paths });
  });
  afterAll(() => controller.close());

  test("are those of the controller's own OpenAPI document", () => {
    const known = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const documented = tableWith(markdown, ["method", "path", "token"]).map(
      (row) => `${row["method"]} ${row["path"]}`,
    );
    expect(documented.toSorted()).toEqual(known.sort());
  });
});
