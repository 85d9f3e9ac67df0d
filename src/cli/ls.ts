/** `mayfly ls`: the keys of a job. */
import type { KeyEntry } from "../../client/list-keys.ts";
import { ticketOption, timeoutOption, withJob } from "./fleet-access.ts";
import { formatBytes } from "./sizes.ts";
import { type Column, formatTable, printable } from "./table.ts";
import { defineVerb } from "./verb.ts";

const columns: readonly Column[] = [
  { title: "SIZE", align: "right" },
  { title: "VERSION", align: "right" },
  { title: "KIND" },
  { title: "KEY" },
];

export const lsVerb = defineVerb({
  name: "ls",
  summary: "list keys",
  usage: "[PREFIX]",
  description:
    "Keys in the order of their bytes. Kind is `bytes` for a value that lies in its cell, and `ref` for an object in " +
    "shards. With --json keys that are no UTF-8 have `keyBase64`.",
  options: { ticket: ticketOption, timeout: timeoutOption },
  examples: ["mayfly ls", "mayfly ls frames/", "mayfly ls --json | jq 'map(.sizeBytes) | add'"],
  async run({ options, positionals, json, print, note }) {
    const [prefix = ""] = positionals;
    const callOptions = options.timeout === undefined ? {} : { timeoutMs: options.timeout };
    const entries = await withJob(options.ticket, async (job) => {
      const found: KeyEntry[] = [];
      for await (const entry of job.list(prefix, callOptions)) found.push(entry);
      return found;
    });
    entries.sort((a, b) => Buffer.compare(a.keyBytes, b.keyBytes));
    if (json) return print(JSON.stringify(entries.map(jsonEntry)));
    if (entries.length === 0) {
      return note(prefix === "" ? "no keys" : `no keys begin with ${JSON.stringify(prefix)}`);
    }
    for (const line of formatTable(columns, entries.map(cells))) print(line);
  },
});

function cells(entry: KeyEntry): string[] {
  return [formatBytes(entry.sizeBytes), entry.version, entry.kind, keyText(entry)];
}

function jsonEntry({ key, keyBytes, sizeBytes, version, kind }: KeyEntry): Record<string, unknown> {
  const binary = !isText(key, keyBytes) && { keyBase64: Buffer.from(keyBytes).toString("base64") };
  return { key, ...binary, sizeBytes, version, kind };
}

/** Bytes that are no UTF-8 as \xNN, so that two such keys do not look the same. */
function keyText({ key, keyBytes }: KeyEntry): string {
  if (isText(key, keyBytes)) return printable(key);
  return Array.from(keyBytes, (byte) =>
    byte >= 0x20 && byte < 0x7f
      ? printable(String.fromCharCode(byte))
      : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
}

function isText(key: string, keyBytes: Uint8Array): boolean {
  return Buffer.from(key, "utf8").equals(keyBytes);
}
