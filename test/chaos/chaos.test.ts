/** `npm run chaos` for three minutes; MAYFLY_CHAOS_MINUTES changes that. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { finished } from "../support/child-output.ts";
import { mainPath } from "../support/main-path.ts";

const minutes = Number(process.env["MAYFLY_CHAOS_MINUTES"] ?? "3");
/** For starting, for repair of what was lost last, for reading back and for checking. */
const besidesMs = 240_000;
const endsWithinMs = minutes * 60_000 + besidesMs;

test(
  "under load and faults nothing is lost, wrong, out of order or late",
  async () => {
    const script = fileURLToPath(new URL("../../scripts/chaos.js", import.meta.url));
    const args = ["--minutes", String(minutes), "--seed", "1", "--json", "--main", mainPath];
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    // It ends its fleet when it is told to end, and its fleet ends with it when it is killed.
    onTestFinished(() => void child.kill("SIGTERM"));
    const { code, output } = await finished(child, endsWithinMs);
    const lastObject = output.split("\n").findLast((line) => line.startsWith('{"operations":'));
    expect(lastObject, output).toBeDefined();
    expect(JSON.parse(lastObject!), output).toMatchObject({
      ...{ acknowledgedLost: 0, wrongBytes: 0, linearizabilityViolations: 0, deadlineOverruns: 0 },
      ...{ nodesCrashed: 0, operations: expect.toSatisfy((count: number) => count > 1000) },
    });
    expect(code, output).toBe(0);
  },
  endsWithinMs + 10_000,
);
