/** Stages of functions with shuffles between them: runs again whose output was lost, and whoever missed it. */
import { MayflyError } from "mayfly";
import type { Executor, HandlerRef } from "./run-on-fleet.ts";

/** What a function returns instead of its result when outputs that it reads are gone. */
export interface LostOutputs {
  readonly lost: { readonly shuffle: string; readonly maps: readonly number[] };
}

export interface Task {
  readonly handler: HandlerRef;
  readonly event: unknown;
  /** What the task writes. */
  readonly output?: { readonly shuffle: string; readonly map: number };
}

export type Run = (task: Task) => Promise<unknown>;

/** A reader of this shuffle threw: what to return for it. @throws whatever else it threw */
export function lostOutputs(shuffle: string, thrown: unknown): LostOutputs {
  const { maps } = thrown as { readonly maps?: readonly number[] };
  if (MayflyError.from(thrown).code !== "LOST" || maps === undefined) throw thrown;
  return { lost: { shuffle, maps } };
}

const roundsMax = 3;

/** @param tasks all of the program that write to shuffles @returns runs one of them, or one that only reads */
export function createRun(executor: Executor, tasks: readonly Task[]): Run {
  const keyOf = (shuffle: string, map: number): string => `${shuffle}/${map}`;
  const producers = new Map(
    tasks.flatMap((task) => (task.output ? [[keyOf(task.output.shuffle, task.output.map), task]] : [])),
  );
  /** Several readers miss the same output. */
  const again = new Map<string, Promise<unknown>>();

  function produce(shuffle: string, map: number): Promise<unknown> {
    const key = keyOf(shuffle, map);
    const producer = producers.get(key);
    if (producer === undefined) throw new MayflyError("INTERNAL", `no task writes map ${map} of ${shuffle}`);
    const running = again.get(key) ?? run(producer).finally(() => again.delete(key));
    again.set(key, running);
    return running;
  }

  async function run({ handler, event }: Task): Promise<unknown> {
    for (let round = 1; ; round++) {
      const result = await executor.run(handler, event);
      if (!isLost(result)) return result;
      const { shuffle, maps } = result.lost;
      if (round === roundsMax) {
        const why = `${shuffle} was lost ${round} times: are more nodes dying than the job's code bears?`;
        throw new MayflyError("LOST", why);
      }
      await Promise.all(maps.map((map) => produce(shuffle, map)));
    }
  }

  return run;
}

/** Runs the tasks of a stage; results in their order. */
export async function runStage(
  run: Run,
  tasks: readonly Task[],
  onDone: (done: number) => void,
): Promise<readonly unknown[]> {
  let done = 0;
  return await Promise.all(
    tasks.map(async (task) => {
      const result = await run(task);
      onDone(++done);
      return result;
    }),
  );
}

function isLost(result: unknown): result is LostOutputs {
  return typeof result === "object" && result !== null && "lost" in result;
}
