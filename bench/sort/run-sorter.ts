/** One sort by one program: what it takes from its start until its output is on the disk. */
import { open } from "node:fs/promises";
import { watchTree } from "../harness/process-tree.ts";
import { spawnPinned } from "../harness/processes.ts";
import type { Figures } from "../harness/report.ts";
import { outputFiles, type SortCommand } from "../peers/file-sorter.ts";

export interface SorterRun {
  readonly name: string;
  readonly command: SortCommand;
  /** Of records. */
  readonly bytes: number;
  /** What the program makes; undefined when it keeps nothing. */
  readonly output: string | undefined;
  /** Those that it may use; undefined when it may use all of the machine. */
  readonly cores: readonly number[] | undefined;
  readonly signal: AbortSignal;
}

const endsWithinMs = 3_600_000;

/**
 * `seconds` and `mbPerSecond` are those of the whole job: start, sort, end, and bringing to the disk what the program has left
 * in the page cache, `syncSeconds`. Programs that tell when their start is over, or how long they sorted, also have
 * `sortSeconds` and `sortMbPerSecond`.
 * @throws Error when the program fails; the signal's reason; nothing of it runs then
 */
export async function runSorter(run: SorterRun): Promise<Figures> {
  const { name, command, bytes, output, cores, signal } = run;
  signal.throwIfAborted();
  const beginMs = performance.now();
  const { args, env } = command;
  const child = await spawnPinned({
    command: command.command,
    args,
    cores,
    ...(env !== undefined && { env }),
  });
  const tree = watchTree(child.pid);
  const stop = (): void => void child.stop();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  let startSeconds = Number.NaN;
  let own: Figures | undefined;
  try {
    const { started, result } = command;
    const starting =
      started &&
      child.line(started, endsWithinMs).then(() => {
        startSeconds = (performance.now() - beginMs) / 1000;
      });
    const telling =
      result &&
      child.line(result.line, endsWithinMs).then((line) => {
        own = result.figures(line);
      });
    const failing = Promise.all([starting, telling]);
    failing.catch(() => undefined);
    const how = await child.exited;
    const endMs = performance.now();
    signal.throwIfAborted();
    if (how !== "exit code 0") throw new Error(`${name} ended (${how}): ${child.complaints()}`);
    await failing;
    const syncFromMs = performance.now();
    if (output !== undefined) for (const path of await outputFiles(output)) await bringToDisk(path);
    const syncSeconds = (performance.now() - syncFromMs) / 1000;
    const seconds = (endMs - beginMs) / 1000 + syncSeconds;
    return {
      ...{ mbPerSecond: bytes / 1e6 / seconds, seconds },
      ...(started && withoutStart(bytes, seconds, startSeconds)),
      ...own,
      ...(output !== undefined && { syncSeconds }),
      ...(await tree.end()),
    };
  } finally {
    signal.removeEventListener("abort", stop);
    await child.stop();
    await tree.end();
  }
}

function withoutStart(bytes: number, seconds: number, startSeconds: number): Figures {
  const sortSeconds = seconds - startSeconds;
  return { startSeconds, sortSeconds, sortMbPerSecond: bytes / 1e6 / sortSeconds };
}

async function bringToDisk(path: string): Promise<void> {
  const file = await open(path, "r+");
  await file.sync().finally(() => file.close());
}
