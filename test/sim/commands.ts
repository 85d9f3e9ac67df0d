/** The real commands of a simulated node, carried out without a socket. */
import { cellCommands } from "../../cache-node/commands/cell-commands.ts";
import { type ObjectAnswers, objectCommands } from "../../cache-node/commands/object-commands.ts";
import { shardCommands } from "../../cache-node/commands/shard-commands.ts";
import type { NodeCore } from "../../cache-node/node-core.ts";
import type { Call, Command, WriteReply } from "../../cache-node/server/call.ts";
import type { Argument, TargetOf } from "../../client/transport/connection.ts";
import type { TokenClaims } from "../../src/auth/token.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import type { RespWriter } from "../../src/wire/resp-writer.ts";

export type Commands = ReadonlyMap<string, Command>;

export function simCommands(core: NodeCore, answers: () => ObjectAnswers): Commands {
  const commands = [...cellCommands(core), ...shardCommands(core), ...objectCommands(answers)];
  return new Map(commands.map((command) => [command.name, command]));
}

const tag = Buffer.from("1");

/** A request as it is on its way: what it was made of may change. */
export function encodeRequest(name: string, args: readonly Argument[]): Buffer[] {
  return [Buffer.from(name), tag, ...args.map((arg) => Buffer.from(asBytes(arg)))];
}

function asBytes(arg: Argument): Uint8Array {
  if (arg instanceof Uint8Array) return arg;
  return typeof arg === "object" ? Buffer.concat(arg) : Buffer.from(String(arg), "latin1");
}

/** What the command answers. @throws MayflyError what it answers with */
export function carryOut(
  commands: Commands,
  claims: TokenClaims,
  args: readonly Buffer[],
): RespValue | Promise<RespValue> {
  const name = args[0]!.toString("latin1");
  const command = commands.get(name);
  if (command === undefined) throw new RangeError(`no command ${name} in the simulation`);
  let reply: RespValue | undefined;
  const call: Call = {
    args,
    bodies: [],
    connection: {
      ...{ id: 1, writer: undefined as unknown as RespWriter, clientName: "", claims },
      pinUntilSent: () => {},
      endAfterReply: () => {},
    },
    reply: (write) => {
      reply = replyOf(write);
    },
  };
  const done = command.handle(call);
  if (done === undefined) return reply!;
  return done.then(() => reply!);
}

/** The value that a reply is, with copies of the bytes in it. */
function replyOf(write: WriteReply): RespValue {
  let root: RespValue | undefined;
  const open: { items: RespValue[]; length: number }[] = [];
  const add = (value: RespValue): void => {
    const top = open.at(-1);
    if (top === undefined) root = value;
    else top.items.push(value);
    while (open.length > 0 && open.at(-1)!.items.length === open.at(-1)!.length) open.pop();
  };
  const writer = {
    arrayHeader(length: number) {
      const items: RespValue[] = [];
      if (length === 0) return add(items);
      const top = open.at(-1);
      if (top === undefined) root = items;
      else top.items.push(items);
      open.push({ items, length });
    },
    bulk: (bytes: Uint8Array) => add(Buffer.from(bytes)),
    simple: (text: string) => add(text),
    integer: (value: number) => add(value),
    null: () => add(null),
  };
  write(writer as unknown as RespWriter);
  return root!;
}

/** The reply as it is received: bodies go where the caller wants them. */
export function receive(
  value: RespValue,
  targetOf: TargetOf | undefined,
  path: readonly number[] = [],
): RespValue {
  if (targetOf === undefined) return value;
  if (Array.isArray(value)) return value.map((item, at) => receive(item, targetOf, [...path, at]));
  const target = value instanceof Uint8Array ? targetOf(value.length, path) : undefined;
  if (target === undefined) return value;
  target.set(value as Uint8Array);
  return target;
}
