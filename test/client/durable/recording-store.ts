import type { Job } from "../../../client/job.ts";
import { MemoryObjectStore } from "../../support/memory-object-store.ts";

/** Writes of what is durable can be held back, be refused, or arrive late. What the fleet keeps for itself is not recorded. */
export class RecordingStore extends MemoryObjectStore {
  /** Names in the order in which they came to be there. */
  readonly puts: string[] = [];
  readonly deleted: string[] = [];
  /** Called before a write takes effect; what it throws is the answer. */
  beforePut: (name: string) => Promise<void> | void = () => undefined;

  override async put(name: string, body: Uint8Array | readonly Uint8Array[]): Promise<void> {
    const isRecorded = name.includes("/durable/");
    if (isRecorded) await this.beforePut(name);
    await super.put(name, body);
    if (isRecorded) this.puts.push(name);
  }

  override async delete(names: readonly string[]): Promise<void> {
    this.deleted.push(...names.filter((name) => name.includes("/durable/")));
    await super.delete(names);
  }

  /** What any tool would take for the value of the key: the last of its names. */
  current(job: Job, keyText: string): Buffer | undefined {
    const last = this.namesOf(job, keyText).at(-1);
    return last === undefined ? undefined : this.objects.get(last);
  }

  /** Of all jobs. */
  durableNames(): string[] {
    return [...this.objects.keys()].filter((name) => name.includes("/durable/"));
  }

  namesOf(job: Job, keyText: string): string[] {
    const begin = `/durable/job-${job.number}/${keyText}@`;
    return [...this.objects.keys()].filter((name) => name.includes(begin)).sort();
  }
}

/** A gate that a call can be held at. */
export function gate(): {
  readonly passed: Promise<void>;
  open(): void;
  readonly reached: Promise<void>;
  wait(): Promise<void>;
} {
  let open = (): void => undefined;
  let arrive = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const wait = (): Promise<void> => {
    arrive();
    return passed;
  };
  return { passed, open, reached, wait };
}
