import { expect, test } from "vitest";
import { defaultMemoryBytes } from "../../src/cli/dev.ts";
import { checkFreeMemory, freeMemoryBytes, totalMemoryBytes } from "../../src/cli/machine-memory.ts";
import { parseBytes } from "../../src/cli/sizes.ts";
import { MayflyError } from "../../src/errors.ts";

const gibibyte = 2 ** 30;
const free = (files: Readonly<Record<string, string>>): number =>
  freeMemoryBytes((path) => files[path], 10 * gibibyte);

test("without control groups the machine's free memory counts", () => {
  expect(free({})).toBe(10 * gibibyte);
  expect(freeMemoryBytes()).toBeGreaterThan(0);
});

test("a limit of version 2 counts less what is used, but for file pages that can be dropped", () => {
  const group = {
    "/proc/self/cgroup": "0::/",
    "/sys/fs/cgroup/memory.max": String(4 * gibibyte),
    "/sys/fs/cgroup/memory.current": String(3 * gibibyte),
    "/sys/fs/cgroup/memory.stat": `anon 5\ninactive_file ${2 * gibibyte}\nactive_file 7`,
  };
  expect(free(group)).toBe(3 * gibibyte);
  expect(free({ ...group, "/sys/fs/cgroup/memory.max": "max" })).toBe(10 * gibibyte);
  expect(free({ ...group, "/sys/fs/cgroup/memory.max": "1000000" })).toBe(0);
});

test("a limit of version 1 is found by its path, and in a container at the root", () => {
  const at = (dir: string) => ({
    "/proc/self/cgroup": "9:name=systemd:/x\n4:cpu,memory:/box/7\n0::/",
    [`${dir}/memory.limit_in_bytes`]: String(2 * gibibyte),
    [`${dir}/memory.usage_in_bytes`]: String(gibibyte),
    [`${dir}/memory.stat`]: `inactive_file 1\ntotal_inactive_file ${gibibyte / 2}`,
  });
  expect(free(at("/sys/fs/cgroup/memory/box/7"))).toBe(2 * gibibyte - gibibyte + 1);
  expect(free(at("/sys/fs/cgroup/memory"))).toBe(gibibyte + 1);
});

test("the largest that fits passes, one byte more is refused with a size that passes", () => {
  const own = 4 * 64 * 2 ** 20;
  const advise = (bytes: number): string => `--memory ${bytes / 2 ** 20}MiB`;
  checkFreeMemory(gibibyte, 4, gibibyte + own, advise);
  const refused = (): void => checkFreeMemory(gibibyte + 1, 4, gibibyte + own, advise);
  expect(refused).toThrow(/--memory 1 GiB is more than there is: 1\.25 GiB of memory are free here/);
  try {
    refused();
  } catch (thrown) {
    const { code, message } = MayflyError.from(thrown);
    expect(code).toBe("OUT_OF_MEMORY");
    const advised = parseBytes(/like --memory (\w+)/.exec(message)![1]!, "it");
    expect(advised).toBeGreaterThan(gibibyte / 2);
    checkFreeMemory(advised, 4, gibibyte + own, advise);
  }
});

test("where nothing fits no size is advised", () => {
  expect(() => checkFreeMemory(gibibyte, 4, 2 ** 20, () => "--memory ?")).toThrow(
    /free some, or start fewer nodes$/,
  );
});

test.each([
  [24 * gibibyte, 4, 4 * gibibyte],
  [2 * gibibyte, 4, (2 * gibibyte - 256 * 2 ** 20) / 2],
  [0, 4, 256 * 2 ** 20],
  [24 * gibibyte, 3, 4095 * 2 ** 20],
])("of %i free bytes %i nodes take %i unless told otherwise", (freeBytes, nodes, bytes) => {
  expect(defaultMemoryBytes(freeBytes, nodes)).toBe(bytes);
});

test("the whole is that of the machine, or of the closest group around this process", () => {
  const group = { "/proc/self/cgroup": "0::/a", "/sys/fs/cgroup/memory.max": String(3 * gibibyte) };
  const total = (files: Readonly<Record<string, string>>): number =>
    totalMemoryBytes((path) => files[path], 10 * gibibyte);
  expect(total({})).toBe(10 * gibibyte);
  expect(total(group)).toBe(3 * gibibyte);
  expect(total({ ...group, "/sys/fs/cgroup/a/memory.max": String(gibibyte) })).toBe(gibibyte);
  expect(total({ ...group, "/sys/fs/cgroup/memory.max": "max" })).toBe(10 * gibibyte);
});
