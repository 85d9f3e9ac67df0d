import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openInput } from "../../src/cli/input-file.ts";
import { writeOutput } from "../../src/cli/output-file.ts";
import { MayflyError } from "../../src/errors.ts";

function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-files-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("half of ");
  throw new MayflyError("LOST", "the rest is gone");
}

test("a file appears whole, with nothing beside it", async () => {
  const dir = directory();
  expect(await writeOutput(join(dir, "out"), pieces("one", "", "two"))).toBe(6);
  expect(readFileSync(join(dir, "out"), "utf8")).toBe("onetwo");
  await writeOutput(join(dir, "empty"), pieces());
  expect(statSync(join(dir, "empty")).size).toBe(0);
  expect(readdirSync(dir)).toEqual(["empty", "out"]);
});

test("when the pieces end with an error the old file stays, and nothing is left", async () => {
  const dir = directory();
  const path = join(dir, "out");
  await expect(writeOutput(path, broken())).rejects.toMatchObject({ code: "LOST" });
  expect(readdirSync(dir)).toEqual([]);
  writeFileSync(path, "old");
  await expect(writeOutput(path, broken())).rejects.toMatchObject({ code: "LOST" });
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(dir)).toEqual(["out"]);
});

test("a file keeps its mode, and a symbolic link stays one", async () => {
  const dir = directory();
  writeFileSync(join(dir, "real"), "old");
  chmodSync(join(dir, "real"), 0o640);
  symlinkSync("real", join(dir, "link"));
  await writeOutput(join(dir, "link"), pieces("new"));
  expect(readFileSync(join(dir, "real"), "utf8")).toBe("new");
  expect(statSync(join(dir, "real")).mode & 0o777).toBe(0o640);
  expect(readdirSync(dir)).toEqual(["link", "real"]);
});

test("what is no regular file is written to and stays what it is", async () => {
  expect(await writeOutput("/dev/null", pieces("away"))).toBe(4);
  expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
});

test("errors say what is wrong with the path", async () => {
  const dir = directory();
  writeFileSync(join(dir, "file"), "");
  const failing = (path: string) => expect(writeOutput(path, pieces("x"))).rejects;
  await failing(dir).toMatchObject({
    code: "OUTPUT_FAILED",
    message: `${dir} is a directory; name a file in it`,
  });
  await failing(join(dir, "no/file")).toMatchObject({
    code: "OUTPUT_FAILED",
    message: `${dir}/no/file cannot be written: no such file or directory`,
  });
  await failing(join(dir, "file/x")).toMatchObject({
    message: `${dir}/file/x cannot be written: a part of the path is no directory`,
  });
  await failing("/dev/full").toMatchObject({
    code: "OUTPUT_FAILED",
    message: "/dev/full cannot be written: no space is left on the device",
  });
});

test("an input is read in pieces, and what cannot be read is told so before anything is", async () => {
  const dir = directory();
  writeFileSync(join(dir, "in"), Buffer.alloc(3_000_000, 7));
  const input = await openInput(join(dir, "in"));
  expect(input.sizeBytes).toBe(3_000_000);
  let bytes = 0;
  for await (const piece of input.read()) bytes += piece.length;
  expect(bytes).toBe(3_000_000);
  expect((await openInput("/dev/zero")).sizeBytes).toBeUndefined();
  mkdirSync(join(dir, "sub"));
  await expect(openInput(join(dir, "sub"))).rejects.toMatchObject({
    code: "INPUT_INVALID",
    message: `${dir}/sub is a directory; name a file, or - for standard input`,
  });
  await expect(openInput(join(dir, "no"))).rejects.toMatchObject({
    code: "INPUT_INVALID",
    message: `${dir}/no cannot be read: no such file or directory`,
  });
});
