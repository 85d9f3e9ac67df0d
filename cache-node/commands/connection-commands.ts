/** Commands about the connection itself: HELLO, AUTH, PING, ECHO, SELECT, CLIENT, QUIT. */
import { type TokenClaims, verifyToken } from "../../src/auth/token.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, textArg, type WriteReply } from "../server/call.ts";

export function connectionCommands(core: NodeCore): readonly Command[] {
  const plain = { scope: "none", tagged: false } as const;
  return [
    { ...plain, name: "HELLO", args: { min: 1 }, handle: (call) => hello(core, call) },
    { ...plain, name: "AUTH", args: { min: 2, max: 3 }, handle: (call) => auth(core, call) },
    { ...plain, name: "PING", args: { min: 1, max: 2 }, handle: ping },
    { ...plain, name: "ECHO", args: { min: 2, max: 2 }, handle: echo },
    { ...plain, name: "SELECT", args: { min: 2, max: 2 }, handle: select },
    { ...plain, name: "CLIENT", args: { min: 2 }, handle: client },
    { ...plain, name: "QUIT", args: { min: 1 }, handle: quit },
  ];
}

function hello(core: NodeCore, call: Call): void {
  const { connection, args } = call;
  let protocol = connection.writer.protocol;
  let at = 1;
  if (args.length > 1) {
    const asked = textArg(call, at++);
    if (asked !== "2" && asked !== "3") {
      call.reply((writer) => writer.error("NOPROTO unsupported protocol version"));
      return;
    }
    protocol = asked === "3" ? 3 : 2;
  }
  let claims = connection.claims;
  let name = connection.clientName;
  while (at < args.length) {
    const option = textArg(call, at).toUpperCase();
    if (option === "AUTH" && at + 2 < args.length) {
      claims = claimsOf(core, textArg(call, at + 1), textArg(call, at + 2));
      at += 3;
    } else if (option === "SETNAME" && at + 1 < args.length) {
      name = clientNameArg(call, at + 1);
      at += 2;
    } else {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        "Syntax error in HELLO; it is HELLO [2|3 [AUTH job token] [SETNAME name]].",
      );
    }
  }
  connection.writer.protocol = protocol;
  connection.claims = claims;
  connection.clientName = name;
  call.reply((writer) => {
    writer.mapHeader(7);
    writer.bulk("server");
    writer.bulk("redis");
    writer.bulk("version");
    writer.bulk(core.redisVersion);
    writer.bulk("proto");
    writer.integer(protocol);
    writer.bulk("id");
    writer.integer(connection.id);
    writer.bulk("mode");
    writer.bulk("standalone");
    writer.bulk("role");
    writer.bulk("master");
    writer.bulk("modules");
    writer.arrayHeader(0);
  });
}

/** `AUTH <job> <token>`, or `AUTH <token>` as clients send that know only a password. */
function auth(core: NodeCore, call: Call): void {
  const named = call.args.length === 3;
  call.connection.claims = claimsOf(core, named ? textArg(call, 1) : undefined, textArg(call, named ? 2 : 1));
  call.reply((writer) => writer.simple("OK"));
}

function claimsOf(core: NodeCore, user: string | undefined, token: string): TokenClaims {
  const key = core.publicKey();
  if (key === undefined)
    throw new MayflyError("UNAVAILABLE", "This node has not registered with its controller yet.");
  const claims = verifyToken(key, token, core.clock.wallMs());
  const expected = claims.scope === "job" ? String(claims.job) : `node-${claims.node}`;
  if (user !== undefined && user !== "default" && user !== expected) {
    throw new MayflyError("TOKEN_INVALID", `The token is for ${expected}, not for ${user.slice(0, 40)}.`);
  }
  return claims;
}

function ping(call: Call): void {
  const message = call.args[1] && Buffer.from(call.args[1]);
  call.reply((writer) => (message === undefined ? writer.simple("PONG") : writer.bulk(message)));
}

function echo(call: Call): void {
  const message = Buffer.from(call.args[1]!);
  call.reply((writer) => writer.bulk(message));
}

function select(call: Call): void {
  if (textArg(call, 1) !== "0")
    throw new MayflyError("INVALID_ARGUMENT", "DB index is out of range: there is only database 0.");
  call.reply((writer) => writer.simple("OK"));
}

function client(call: Call): void {
  call.reply(clientReply(call));
}

/** Redis's rule: it is shown in lists, so it has no spaces and nothing that cannot be printed. */
function clientNameArg(call: Call, at: number): string {
  const name = textArg(call, at);
  if (/^[!-~]{0,1024}$/.test(name)) return name;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    "A client name has up to 1024 printable ASCII characters and no spaces.",
  );
}

function clientReply(call: Call): WriteReply {
  const { connection } = call;
  switch (textArg(call, 1).toUpperCase()) {
    case "SETNAME":
      connection.clientName = call.args.length > 2 ? clientNameArg(call, 2) : "";
      return (writer) => writer.simple("OK");
    case "GETNAME":
      return (writer) => (connection.clientName === "" ? writer.null() : writer.bulk(connection.clientName));
    case "ID":
      return (writer) => writer.integer(connection.id);
    case "SETINFO":
    case "NO-EVICT":
    case "NO-TOUCH":
      return (writer) => writer.simple("OK");
    case "INFO":
      return (writer) =>
        writer.bulk(`id=${connection.id} name=${connection.clientName} resp=${writer.protocol}\n`);
    default:
      throw new MayflyError(
        "UNKNOWN_COMMAND",
        "CLIENT knows SETNAME, GETNAME, ID, INFO, SETINFO, NO-EVICT, NO-TOUCH.",
      );
  }
}

function quit(call: Call): void {
  call.reply((writer) => writer.simple("OK"));
  call.connection.endAfterReply();
}
