/** `--store URL`: where nodes keep what must last or does not fit. */
import { type Option, option } from "./option.ts";
import { UsageError } from "./usage-error.ts";

export const storeOption: Option<string | undefined> = option({
  value: "URL",
  help: "object store for what must last or does not fit: s3://bucket/prefix?endpoint=...&region=... or file:///folder",
  parse: parseStoreUrl,
});

export function parseStoreUrl(text: string, what: string): string {
  if (/^(s3|file):\/\/./.test(text)) return text;
  throw new UsageError(
    `${what} ${JSON.stringify(text)} is no object store; give s3://bucket/prefix or file:///folder`,
  );
}
