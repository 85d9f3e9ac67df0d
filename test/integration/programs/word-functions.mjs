// Functions for lambda-executor.test.ts; the same run in local processes.

/** Counts words into an object of the job, under the name of its attempt; the first attempt tells its name. */
export async function count({ index, text }, { job, attempt }) {
  await job.counter("started").add(1);
  const counts = {};
  for (const word of text.split(" ")) counts[word] = (counts[word] ?? 0) + 1;
  await job.put(`${index}/${attempt}`, JSON.stringify(counts));
  await job.results("counted").put(String(index), attempt);
  return { index, attempt, pid: process.pid };
}

/** Its instance is killed under it, the first time. */
export async function dieOnce({ index }, { job, attempt }) {
  const { isFirst } = await claim(job, `died/${index}`, attempt);
  if (isFirst) process.kill(process.pid, "SIGKILL");
  return index;
}

/** The first time it takes longer than anybody waits. */
export async function hangOnce({ index }, { job, attempt }) {
  const { isFirst } = await claim(job, `hung/${index}`, attempt);
  if (isFirst) await job.get("never", { waitMs: 60_000, timeoutMs: 60_000 });
  return index;
}

export async function hang(_, { job }) {
  await job.put("hangs", "yes");
  await job.get("never", { waitMs: 60_000, timeoutMs: 60_000 });
}

export async function fails(_, { job }) {
  return job.get("there is no such key");
}

async function claim(job, key, attempt) {
  try {
    await job.put(key, attempt, { ifAbsent: true });
    return { isFirst: true };
  } catch (error) {
    if (error.code !== "KEY_EXISTS") throw error;
    return { isFirst: false };
  }
}
