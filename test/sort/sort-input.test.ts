import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { recordsOfFile, sampleKeys } from "../../src/sort/sort-input.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mayfly-sort-input-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function generated(records: number): Uint8Array {
  const kernel = createRecordKernel({ regions: { records: records * 100 + 64 } });
  const { at } = kernel.regions.records;
  kernel.generate(at, 0, records);
  return kernel.bytes.slice(at, at + records * 100);
}

test("a file's records are counted; one that is not whole records is refused with what is left over", async () => {
  const path = join(dir, "in.bin");
  writeFileSync(path, generated(7));
  expect(await recordsOfFile(path)).toBe(7);
  writeFileSync(path, generated(7).subarray(0, 650));
  await expect(recordsOfFile(path)).rejects.toMatchObject({
    ...{ code: "INPUT_INVALID", message: expect.stringContaining("50 are left over") },
  });
  writeFileSync(path, "");
  expect(await recordsOfFile(path)).toBe(0);
});

test("what is no file is refused", async () => {
  await expect(recordsOfFile(join(dir, "none"))).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await expect(recordsOfFile(dir)).rejects.toMatchObject({
    ...{ code: "INPUT_INVALID", message: expect.stringContaining("no regular file") },
  });
});

test("samples of a file and of the generator are the same keys at the same places", async () => {
  const path = join(dir, "in.bin");
  const bytes = generated(500);
  writeFileSync(path, bytes);
  const ofFile = await sampleKeys({ file: path }, 500, 60, seededRng(5));
  const ofGenerator = await sampleKeys({ generate: {} }, 500, 60, seededRng(5));
  expect(Buffer.compare(ofFile, ofGenerator)).toBe(0);
  const keys = new Set(
    Array.from({ length: 500 }, (_, i) => Buffer.from(bytes.subarray(i * 100, i * 100 + 10)).toString("hex")),
  );
  for (let i = 0; i < 60; i++)
    expect(keys).toContain(Buffer.from(ofFile.subarray(i * 10, i * 10 + 10)).toString("hex"));
});

test("no more keys are sampled than there are records, and none of none", async () => {
  expect((await sampleKeys({ generate: {} }, 3, 60, seededRng(5))).length).toBe(30);
  expect((await sampleKeys({ generate: {} }, 0, 60, seededRng(5))).length).toBe(0);
});
