import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { OutputBlocks, outputAlignBytes } from "../../src/sort/output-blocks.ts";

/** The folder of the project is on a disk; temporary folders may be in memory, where nothing is written directly. */
function newFile(sizeBytes: number, parent = process.cwd()): string {
  const dir = mkdtempSync(join(parent, ".output-blocks-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "out");
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  return path;
}

const regionBytes = 5 * outputAlignBytes;
/** As the memory of a kernel: its first byte lies on a page. */
const newMemory = (): Uint8Array => new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer);
const region = { at: 100, bytes: regionBytes };

async function write(path: string, offset: number, bytes: Uint8Array, step: number): Promise<void> {
  const memory = newMemory();
  const blocks = await OutputBlocks.open(memory, region, path, offset);
  try {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + Math.min(step, blocks.bytesMax));
      memory.set(piece, blocks.at);
      await blocks.take(piece.length);
      at += piece.length;
    }
    await blocks.end(true);
  } finally {
    await blocks.close();
  }
}

const arbitraryParts = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 5 }),
  step: fc.integer({ min: 100, max: regionBytes }),
});

test.each([process.cwd(), tmpdir()])(
  "parts that are written side by side, wherever they begin, make up the file, in %s",
  async (parent) => {
    await fc.assert(
      fc.asyncProperty(arbitraryParts, async ({ lengths, step }) => {
        const total = lengths.reduce((sum, length) => sum + length, 0);
        const wanted = Uint8Array.from({ length: total }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
        const path = newFile(total, parent);
        let offset = 0;
        const writes = lengths.map((length) => {
          const part = wanted.subarray(offset, offset + length);
          offset += length;
          return write(path, offset - length, part, step);
        });
        await Promise.all(writes);
        expect(Buffer.compare(readFileSync(path), wanted)).toBe(0);
      }),
      { numRuns: 40 },
    );
  },
);

test("a file that cannot be written says so", async () => {
  const missing = join(tmpdir(), "no-such-folder", "out");
  const failed = expect.objectContaining({ code: "OUTPUT_FAILED" });
  await expect(OutputBlocks.open(newMemory(), region, missing, 0)).rejects.toEqual(failed);
});
