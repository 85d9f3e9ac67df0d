/** Commands about the server: INFO, COMMAND, CONFIG GET. */
import { MayflyError } from "../../src/errors.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import type { RespWriter } from "../../src/wire/resp-writer.ts";
import type { NodeCore } from "../node-core.ts";
import { type Call, type Command, textArg, type WriteReply } from "../server/call.ts";

export function serverCommands(core: NodeCore, all: () => ReadonlyMap<string, Command>): readonly Command[] {
  const plain = { scope: "none", tagged: false } as const;
  return [
    { ...plain, name: "INFO", args: { min: 1 }, handle: (call) => info(core, call) },
    { ...plain, name: "COMMAND", args: { min: 1 }, handle: (call) => command(all(), call) },
    { ...plain, name: "CONFIG", args: { min: 2 }, handle: (call) => config(core, call) },
  ];
}

function info(core: NodeCore, call: Call): void {
  const wanted = call.args.slice(1).map((arg) => arg.toString("latin1").toLowerCase());
  const everything =
    wanted.length === 0 || wanted.some((name) => ["all", "default", "everything"].includes(name));
  const lines: string[] = [];
  for (const [section, facts] of Object.entries(infoSections(core))) {
    if (!everything && !wanted.includes(section.toLowerCase())) continue;
    lines.push(`# ${section}`, ...Object.entries(facts).map(([name, value]) => `${name}:${value}`), "");
  }
  call.reply((writer) => writer.bulk(lines.join("\r\n")));
}

function infoSections(core: NodeCore): Record<string, Record<string, string | number>> {
  const stats = core.memory.stats();
  const map = core.view.current;
  return {
    Server: {
      redis_version: core.redisVersion,
      mayfly_node_id: core.nodeIdOrZero(),
      mayfly_epoch: formatEpoch(core.view.epoch),
      process_id: process.pid,
      tcp_port: core.port(),
      uptime_in_seconds: Math.floor((core.clock.now() - core.startedAtMs) / 1000),
    },
    Clients: { connected_clients: core.connectionCount(), blocked_clients: core.waits.count },
    Memory: {
      used_memory: stats.usedBytes,
      maxmemory: stats.limitBytes,
      mayfly_free_memory: stats.freeBytes,
      mayfly_segment_bytes: stats.segmentBytes,
      mayfly_index_bytes: stats.indexBytes,
      mayfly_live_bytes: stats.liveBytes,
      mayfly_touched_bytes: stats.touchedBytes,
      used_memory_rss: process.memoryUsage.rss(),
    },
    Replication: {
      role: "master",
      mayfly_nodes: map?.nodes.length ?? 0,
      mayfly_backlog: core.logs.backlog(),
    },
    Keyspace: {
      mayfly_cells: core.cells.count(),
      mayfly_shards: core.shards.count(),
      mayfly_jobs: stats.jobs,
    },
  };
}

function command(all: ReadonlyMap<string, Command>, call: Call): void {
  const sub = call.args.length > 1 ? textArg(call, 1).toUpperCase() : "INFO";
  const names = call.args.slice(2).map((arg) => arg.toString("latin1").toUpperCase());
  const listed = names.length > 0 ? names.map((name) => all.get(name)) : [...all.values()];
  call.reply(commandReply(sub, all.size, listed));
}

function commandReply(sub: string, count: number, listed: readonly (Command | undefined)[]): WriteReply {
  switch (sub) {
    case "COUNT":
      return (writer) => writer.integer(count);
    case "DOCS":
      return (writer) => writer.mapHeader(0);
    case "LIST":
      return (writer) => {
        writer.arrayHeader(listed.length);
        for (const entry of listed) writer.bulk(entry?.name.toLowerCase() ?? "");
      };
    case "INFO":
      return (writer) => {
        writer.arrayHeader(listed.length);
        for (const entry of listed) writeCommandInfo(writer, entry);
      };
    default:
      throw new MayflyError("UNKNOWN_COMMAND", "COMMAND knows COUNT, DOCS, INFO and LIST.");
  }
}

/** Name, arity (negative: at least), flags, and the positions of keys, as Redis tells them. */
function writeCommandInfo(writer: RespWriter, entry: Command | undefined): void {
  if (entry === undefined) {
    writer.null();
    return;
  }
  writer.arrayHeader(6);
  writer.bulk(entry.name.toLowerCase());
  writer.integer(entry.args.max === entry.args.min ? entry.args.min : -entry.args.min);
  writer.arrayHeader(0);
  for (let i = 0; i < 3; i++) writer.integer(0);
}

function config(core: NodeCore, call: Call): void {
  if (textArg(call, 1).toUpperCase() !== "GET" || call.args.length < 3) {
    throw new MayflyError(
      "UNKNOWN_COMMAND",
      "CONFIG knows only GET: a node is configured when it is started.",
    );
  }
  const parameters: Record<string, string> = {
    maxmemory: String(core.memory.limitBytes),
    "maxmemory-policy": "noeviction",
    appendonly: "no",
    save: "",
    databases: "1",
  };
  const patterns = call.args.slice(2).map((arg) => arg.toString("latin1").toLowerCase());
  const found = Object.entries(parameters).filter(([name]) =>
    patterns.some((pattern) => globMatches(pattern, name)),
  );
  call.reply((writer) => {
    writer.mapHeader(found.length);
    for (const [name, value] of found) {
      writer.bulk(name);
      writer.bulk(value);
    }
  });
}

/** `*` and `?`, which is what CONFIG GET is called with; names are short, and so are the patterns looked at. */
function globMatches(pattern: string, text: string): boolean {
  if (pattern.length > 64) return false;
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("?", ".");
  return new RegExp(`^${escaped.replaceAll(/\*+/g, ".*")}$`).test(text);
}
