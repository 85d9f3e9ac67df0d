/** What a verb threw, as text or JSON, and the exit code for it. */
import type { MayflyError } from "../errors.ts";
import { UsageError } from "./usage-error.ts";

export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

export function exitCodeOf(error: MayflyError): number {
  return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
}

/** `mayfly put: there is nothing at ... (NOT_FOUND)`, and where to look further for what is not the caller's fault. */
export function failureText(verbName: string | undefined, error: MayflyError, withStack: boolean): string {
  const head = verbName === undefined ? "mayfly" : `mayfly ${verbName}`;
  const message = error.message.replace(/\.$/, "");
  const lines = [`${head}: ${message} (${error.code})`];
  if (withStack) lines.push(stacksOf(error));
  else if (error.kind === "internal")
    lines.push("This is a fault of Mayfly itself; MAYFLY_DEBUG=1 shows where.");
  return lines.join("\n");
}

export function failureJson({ code, kind, message }: MayflyError): string {
  return JSON.stringify({ error: { code, kind, message } });
}

function stacksOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stacksOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
