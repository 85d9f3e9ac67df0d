// Functions for executor.test.ts.

export async function describe(event, { job }) {
  return { pid: process.pid, job: job.number, environment: Object.keys(process.env).sort(), event };
}

export async function pidOf() {
  return process.pid;
}

export async function addWhenTold({ numbers, key = "go" }, { job, progress }) {
  progress({ pid: process.pid });
  await job.get(key, { waitMs: 60_000 });
  return numbers.reduce((sum, number) => sum + number, 0);
}

export async function dies() {
  process.kill(process.pid, "SIGKILL");
}

export async function fails(_, { job }) {
  return job.get("there is no such key");
}
