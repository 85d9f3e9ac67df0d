import { describe, expect, test } from "vitest";
import { type ObjectAnswers, objectCommands } from "../../../cache-node/commands/object-commands.ts";
import type { ShardQuestion } from "../../../cache-node/relocation/judge-shards.ts";
import type { Call } from "../../../cache-node/server/call.ts";
import { type ObjectId, objectId } from "../../../src/ids.ts";
import type { RespWriter } from "../../../src/wire/resp-writer.ts";

const object = Buffer.alloc(16, 1);
const other = Buffer.alloc(16, 2);

async function ask(...args: readonly (string | number | Buffer)[]) {
  const questions: ShardQuestion[] = [];
  const answers: ObjectAnswers = {
    judge: {
      judge: async (question) => {
        questions.push(question);
        return question.shards.map(({ stripe }) => (stripe === 0 ? "keep" : "free"));
      },
    },
    orphans: {
      freshOf: async (_, objects) =>
        new Set([...objects].filter((id): id is ObjectId => id === objectId(other))),
    },
  };
  const command = objectCommands(() => answers).find(({ name }) => name === args[0])!;
  const written: (string | number)[] = [];
  const note = (value: string | number): void => void written.push(value);
  const writer = { arrayHeader: note, simple: note, integer: note } as unknown as RespWriter;
  const connection = { claims: { scope: "fleet", job: 0, node: 9, expiresAtMs: 1 } };
  const call = {
    args: args.map((arg) => (arg instanceof Buffer ? arg : Buffer.from(String(arg)))),
    bodies: [],
    connection,
    reply: (write: (to: RespWriter) => void) => write(writer),
  } as unknown as Call;
  await command.handle(call);
  return { questions, written };
}

test("both are for other nodes, and their replies carry a tag", () => {
  const commands = objectCommands(() => {
    throw new Error("not asked for before a call");
  });
  expect(commands.map(({ scope, tagged }) => [scope, tagged])).toEqual([
    ["fleet", true],
    ["fleet", true],
  ]);
});

test("MF.OBJECT.CHECK asks about shards of the sender and answers each", async () => {
  const { questions, written } = await ask(
    "MF.OBJECT.CHECK",
    1,
    "3.7",
    5,
    1023,
    object,
    0,
    2,
    other,
    8191,
    254,
  );
  expect(written).toEqual([2, "keep", "free"]);
  expect(questions).toEqual([
    {
      ...{ holder: 9, epoch: { term: 3, n: 7 }, job: 5, group: 1023 },
      shards: [
        { object: objectId(object), stripe: 0, index: 2 },
        { object: objectId(other), stripe: 8191, index: 254 },
      ],
    },
  ]);
});

test("MF.OBJECT.FRESH says of which objects a shard came lately", async () => {
  expect((await ask("MF.OBJECT.FRESH", 1, 5, object, other)).written).toEqual([2, 0, 1]);
});

describe("they refuse", () => {
  test.each([
    ["half a shard", ["MF.OBJECT.CHECK", 1, "1.1", 5, 0, object, 0, 0, object]],
    ["a group above the last", ["MF.OBJECT.CHECK", 1, "1.1", 5, 1024, object, 0, 0]],
    ["job 0", ["MF.OBJECT.CHECK", 1, "1.1", 0, 0, object, 0, 0]],
    ["an epoch that is none", ["MF.OBJECT.CHECK", 1, "1", 5, 0, object, 0, 0]],
    ["an object that is none", ["MF.OBJECT.FRESH", 1, 5, "short"]],
    [
      "too many shards",
      ["MF.OBJECT.CHECK", 1, "1.1", 5, 0, ...Array.from({ length: 1001 }, () => [object, 0, 0]).flat()],
    ],
    ["too many objects", ["MF.OBJECT.FRESH", 1, 5, ...Array.from({ length: 1001 }, () => object)]],
  ] as const)("%s", async (_, args) => {
    await expect(ask(...args)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
