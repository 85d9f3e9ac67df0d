import fc from "fast-check";
import { expect, test } from "vitest";
import { onlyText } from "../../src/cli/terminal-text.ts";

async function shown(...pieces: Uint8Array[]): Promise<string> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* pieces;
  }
  const passed: Uint8Array[] = [];
  for await (const piece of onlyText(source(), "say --force")) passed.push(piece);
  return Buffer.concat(passed).toString();
}

test("text passes, however its letters are cut into pieces", async () => {
  const unit = fc.constantFrom("a", "ü", "日", "🜁", "\n", "\t", "\ufeff");
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 20 }), fc.nat(80), fc.nat(80), async (text, a, b) => {
      const bytes = Buffer.from(text);
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      expect(await shown(bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to))).toBe(text);
    }),
  );
});

test.each([
  ["bytes that are no UTF-8", [Buffer.from([0x61, 0xff])]],
  ["an escape sequence", [Buffer.from("a\x1b[2J")]],
  ["a zero byte", [Buffer.from("a\0")]],
  ["a control character of two bytes", [Buffer.from("\u009b2J")]],
  ["a letter that never ends", [Buffer.from("ü").subarray(0, 1)]],
  ["something behind text", [Buffer.from("fine"), Buffer.from([0x80])]],
])("%s does not pass", async (_, pieces) => {
  await expect(shown(...pieces)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: "the value is not text, and standard output is a terminal; say --force",
  });
});
