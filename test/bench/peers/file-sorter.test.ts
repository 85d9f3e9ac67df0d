import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { outputFiles } from "../../../bench/peers/file-sorter.ts";
import { findGnuSort } from "../../../bench/peers/gnu-sort.ts";
import { findPysparkSort } from "../../../bench/peers/pyspark-sort.ts";

async function emptyFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "mayfly-sorters-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

test("an output is a file, or the parts of a folder in the order of their names", async () => {
  const dir = await emptyFolder();
  await expect(outputFiles(dir)).rejects.toThrow("has no parts");
  for (const name of ["part-00001-b.txt", "_SUCCESS", "part-00000-c.txt", ".part-00000-c.txt.crc"]) {
    await writeFile(join(dir, name), "");
  }
  const parts = ["part-00000-c.txt", "part-00001-b.txt"].map((name) => join(dir, name));
  expect(await outputFiles(dir)).toEqual(parts);
  expect(await outputFiles(parts[0]!)).toEqual([parts[0]]);
});

test("a sorter that is not installed says what to type", async () => {
  const dir = await emptyFolder();
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv("PATH", dir);
  vi.stubEnv("XDG_CACHE_HOME", dir);
  const gnu = { absent: expect.stringContaining("npm run install-peers -- coreutils") };
  expect(findGnuSort()).toEqual(gnu);
  // As on systems whose sort is another one.
  await writeFile(join(dir, "sort"), "#!/bin/sh\necho 2.3-Apple\n", { mode: 0o755 });
  expect(findGnuSort()).toEqual(gnu);

  const spark = { absent: expect.stringContaining("npm run install-peers -- pyspark") };
  expect(findPysparkSort()).toEqual(spark);
  await writeFile(join(dir, "python3"), "", { mode: 0o755 });
  await mkdir(join(dir, "mayfly-peers", "pyspark-4.3.0"), { recursive: true });
  expect(findPysparkSort()).toEqual({
    absent: expect.stringContaining("install-peers -- default-jre-headless"),
  });
  await writeFile(join(dir, "java"), "", { mode: 0o755 });
  expect(findPysparkSort()).toHaveProperty("command");
});
