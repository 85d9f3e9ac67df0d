/** The calls of clients in a scenario, and their outcomes as text. */
import type { RegisterOp } from "../history/register-model.ts";
import type { Call, SimClient } from "./client.ts";
import { keyNamed } from "./scenario-fleet.ts";
import { valueBytesMin } from "./values.ts";

export type Outcome = string;

/** An object of one stripe. */
const objectBytes = 40_000;
const timeoutMs = 20_000;

/**
 * `put k v`, `put k v as object`, either `for 1000ms` or with `if absent` or `if at w`, where w is the value whose version it must be;
 * `get k`, `get ref k`, `delete k`.
 */
export async function carryOutCall(client: SimClient, what: string): Promise<Outcome> {
  const [verb, ...words] = what.split(" ");
  if (verb === "get" && words[0] === "ref") return await readRef(client, keyNamed(words[1]!));
  const key = keyNamed(words[0]!);
  client.ttlMs = Number(/ for (\d+)ms$/.exec(what)?.[1] ?? 0);
  const call = await client.call(key, opOf(client, verb!, key, what), timeoutMs);
  return describe(call);
}

function opOf(client: SimClient, verb: string, key: string, what: string): RegisterOp {
  if (verb === "get") return { kind: "get" };
  if (verb === "delete") return { kind: "delete" };
  if (verb !== "put") throw new Error(`no client does ${verb}`);
  const value = fullName(what.split(" ")[2]!, what.includes(" as object"));
  if (what.endsWith(" if absent")) return { kind: "put", value, ifAbsent: true };
  const over = / if at (\w+)$/.exec(what)?.[1];
  if (over === undefined) return { kind: "put", value };
  const before = client.calls.find(
    ({ op, key: of }) => of === key && op.kind === "put" && shortName(op.value) === over,
  );
  const version = before?.result?.kind === "written" ? before.result.version : undefined;
  if (version === undefined) throw new Error(`${client.process.name} knows no version of ${over}`);
  return { kind: "put", value, ifVersion: version };
}

export function bytesOfScenario(isObject: boolean): number {
  return isObject ? objectBytes : valueBytesMin;
}

function fullName(name: string, isObject: boolean): string {
  return `${name}.0*${bytesOfScenario(isObject)}`;
}

function shortName(value: string): string {
  return value.slice(0, value.indexOf("."));
}

async function readRef(client: SimClient, key: string): Promise<Outcome> {
  const held = client.held.findLast((each) => each.key === key);
  if (held === undefined) throw new Error(`${client.process.name} holds no ref of ${key}`);
  const answered = await client.readRef(held, timeoutMs);
  const read = client.refReads.at(-1);
  if (!answered || read === undefined) return "no answer";
  return read.freed ? "freed" : shortName(held.value);
}

function describe({ result, error }: Call): Outcome {
  if (result === undefined) return error ?? "no answer";
  if (result.kind === "value") return shortName(result.value);
  return result.kind === "written" ? "ok" : result.kind;
}
