/** `npm run chaos`: see `help` in command-line.ts. Only this file and load/main.ts take time and settings from the system. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { type ChaosOptions, help, parseCommandLine } from "./command-line.ts";
import { enclosureVariable, possibleEnclosure, runInside } from "./enclosure.ts";
import { createNamespaces } from "./namespaces.ts";
import { createProxies } from "./proxies.ts";
import { isClean, reportOf, tableOf, writeEvidence } from "./report.ts";
import { runChaos } from "./run.ts";

const interrupted = 130;
const notRun = 2;

async function main(): Promise<number> {
  const options = parseCommandLine(process.argv.slice(2), process.env);
  if (options === undefined) {
    process.stdout.write(help);
    return 0;
  }
  const inside = process.env[enclosureVariable];
  if (inside !== undefined) return run(options, inside === "networks");
  const { kind, unshare } = possibleEnclosure(!options.proxies);
  return kind === "none" ? run(options, false) : runInside(kind, unshare);
}

async function run(options: ChaosOptions, withNetworks: boolean): Promise<number> {
  const startMs = systemClock.now();
  const dir = options.out ?? mkdtempSync(join(tmpdir(), `mayfly-chaos-${options.seed}-`));
  const discard = (): void => {
    if (options.out === undefined) rmSync(dir, { recursive: true, force: true });
  };
  const note = (line: string): void => void process.stderr.write(`chaos: ${line}\n`);
  const faultLines: string[] = [];
  const faultLog = (line: string): void => {
    const seconds = (systemClock.now() - startMs) / 1000;
    faultLines.push(`${new Date(systemClock.wallMs()).toISOString()} ${seconds.toFixed(1)} s  ${line}`);
    note(`${seconds.toFixed(1)} s  ${line}`);
  };
  const network = withNetworks ? await createNamespaces() : await createProxies();
  const facts = await runChaos({
    ...{ options, network, clock: systemClock, dir, note, faultLog },
    stopped: untilStopped(),
  });
  if (facts === undefined) {
    discard();
    return interrupted;
  }
  const report = reportOf(facts);
  const clean = isClean(report);
  if (clean && !options.keep && options.out === undefined) discard();
  else {
    writeEvidence(dir, facts, faultLines);
    note(`${clean ? "Everything" : "What was violated"} is told in ${dir}`);
  }
  for (const line of tableOf(report)) (options.json ? process.stderr : process.stdout).write(`${line}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  return clean ? 0 : 1;
}

/** Inside an enclosure whoever started it says so by ending the standard input. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
    if (process.env[enclosureVariable] === undefined) return;
    process.stdin.resume();
    process.stdin.once("end", () => resolve());
  });
}

main().then(
  (code) => process.exit(code),
  (thrown: unknown) => {
    process.stderr.write(`chaos: ${MayflyError.from(thrown).message}\n`);
    process.exit(notRun);
  },
);
