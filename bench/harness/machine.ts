import { arch, cpus, loadavg, platform, release, totalmem } from "node:os";

/** What a result depends on; printed with every result, so that figures of different machines are not compared. */
export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
  readonly v8: string;
  /** Load average of the last minute when the run began: others' work makes medians worse. */
  readonly load: number;
}

export function describeMachine(): MachineFacts {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memoryBytes: totalmem(),
    os: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    v8: process.versions.v8,
    load: loadavg()[0] ?? 0,
  };
}
