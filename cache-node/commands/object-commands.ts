/** MF.OBJECT.*: what nodes ask one another about objects, to find shards that nothing names. */
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber, ObjectId } from "../../src/ids.ts";
import { parseEpoch } from "../../src/placement/epoch.ts";
import { groupCount } from "../../src/placement/groups.ts";
import type { ShardJudge } from "../relocation/judge-shards.ts";
import type { Orphans } from "../relocation/orphans.ts";
import { type Call, type Command, numberArg, senderOf, textArg } from "../server/call.ts";
import { jobArg, nameArgs, objectArg } from "./shard-commands.ts";

export interface ObjectAnswers {
  readonly judge: Pick<ShardJudge, "judge">;
  readonly orphans: Pick<Orphans, "freshOf">;
}

const shardsMax = 1000;
const objectsMax = 1000;

/** @param answers of a node that has registered */
export function objectCommands(answers: () => ObjectAnswers): readonly Command[] {
  const common = { scope: "fleet", tagged: true } as const;
  return [
    { ...common, name: "MF.OBJECT.CHECK", args: { min: 8 }, handle: (call) => check(answers(), call) },
    { ...common, name: "MF.OBJECT.FRESH", args: { min: 4 }, handle: (call) => fresh(answers(), call) },
  ];
}

/** `MF.OBJECT.CHECK tag epoch job group (object stripe index)+` -> for each shard of the sender `keep`, `free` or `later` */
async function check({ judge }: ObjectAnswers, call: Call): Promise<void> {
  const at = 5;
  const count = (call.args.length - at) / 3;
  checkCount(count, shardsMax, "MF.OBJECT.CHECK", "shards of 3 arguments");
  const verdicts = await judge.judge({
    holder: senderOf(call),
    epoch: parseEpoch(textArg(call, 2)),
    job: jobArg(call, 3),
    group: numberArg(call, 4, groupCount - 1, "group") as Group,
    shards: Array.from({ length: count }, (_, i) => nameArgs(call, at + i * 3)),
  });
  call.reply((writer) => {
    writer.arrayHeader(verdicts.length);
    for (const verdict of verdicts) writer.simple(verdict);
  });
}

/** `MF.OBJECT.FRESH tag job (object)+` -> for each 1 if a shard of it came lately and was not confirmed, else 0 */
async function fresh({ orphans }: ObjectAnswers, call: Call): Promise<void> {
  const at = 3;
  const job: JobNumber = jobArg(call, 2);
  const count = call.args.length - at;
  checkCount(count, objectsMax, "MF.OBJECT.FRESH", "objects");
  const objects: ObjectId[] = Array.from({ length: count }, (_, i) => objectArg(call, at + i));
  const found = await orphans.freshOf(job, new Set(objects));
  call.reply((writer) => {
    writer.arrayHeader(objects.length);
    for (const object of objects) writer.integer(found.has(object) ? 1 : 0);
  });
}

function checkCount(count: number, max: number, name: string, what: string): void {
  if (Number.isInteger(count) && count <= max) return;
  throw new MayflyError("INVALID_ARGUMENT", `${name} takes up to ${max} ${what} each.`);
}
