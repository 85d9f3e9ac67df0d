import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock, systemRng } from "../../src/clock.ts";
import { openObjectStore } from "../../src/durable/open-store.ts";
import { builtModuleUrl } from "../support/built-module.ts";

const given = { clock: systemClock, rng: systemRng };

test.each([
  ["", "an object store is s3://bucket/prefix or file:///folder"],
  ["/folder", "an object store is"],
  ["http://host/bucket", "an object store is"],
  ["file://host/folder", "the whole path"],
  ["file:///folder?x=1", "no parameters"],
  ["s3://key:secret@bucket/x", "credentials do not belong"],
  ["s3://bucket:9000/x", "no name of a bucket"],
  ["s3://bucket/x?acl=public", 'no parameter "acl"'],
  ["s3://bucket/a//b", "empty"],
  ["s3://bucket/%ff", "percent-encoded"],
  ["s3://bucket/x?endpoint=host:9000", "no http:// or https://"],
  ["s3://bucket/x?endpoint=http://key:secret@host", "credentials do not belong"],
  ["s3://bucket/x?region=eu/west", "no region"],
])("%j cannot be opened", async (url, why) => {
  const wrong = { code: "INVALID_ARGUMENT", message: expect.stringContaining(why) };
  await expect(openObjectStore(url, given)).rejects.toMatchObject(wrong);
  await expect(openObjectStore(url, given)).rejects.not.toThrow("secret");
});

test.each([
  "s3://bucket/?region=eu-west-1",
  "s3://bucket/a/b%20c?endpoint=http://127.0.0.1:9000&region=us-east-1",
  "s3://bucket/a?endpoint=https://s3.example.com",
])("%s is its own URL", async (url) => {
  const store = await openObjectStore(url, given);
  onTestFinished(() => store.close());
  expect(store.url).toBe(url);
});

test("a bucket of AWS needs a region", async () => {
  for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"]) vi.stubEnv(name, undefined);
  for (const name of ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"]) vi.stubEnv(name, "/nowhere");
  onTestFinished(() => void vi.unstubAllEnvs());
  const wrong = { code: "INVALID_ARGUMENT", message: expect.stringContaining("region") };
  await expect(openObjectStore("s3://bucket/a", given)).rejects.toMatchObject(wrong);
});

test("without the AWS SDK the error says how to install it", () => {
  // The build, where no node_modules are above it.
  const dir = mkdtempSync(join(tmpdir(), "mayfly-without-sdk-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const built = dirname(fileURLToPath(builtModuleUrl("src/clock.js")));
  for (const name of ["durable", "clock.js", "errors.js"]) {
    cpSync(join(built, name), join(dir, "src", name), { recursive: true });
  }
  writeFileSync(join(dir, "package.json"), '{"type":"module"}');
  writeFileSync(
    join(dir, "main.js"),
    `import { systemClock as clock, systemRng as rng } from "./src/clock.js";
     import { openObjectStore } from "./src/durable/open-store.js";
     await openObjectStore("s3://bucket/a", { clock, rng }).catch(({ code, message }) => console.log(code, message));
     const store = await openObjectStore("file://${dir}/files", { clock, rng });
     await store.put("a", Buffer.from("without it"));
     console.log(Buffer.from(await store.get("a")).toString());`,
  );
  const said = execFileSync(process.execPath, [join(dir, "main.js")], { encoding: "utf8" });
  expect(said).toMatch(/^INVALID_ARGUMENT .*npm install @aws-sdk\/client-s3\nwithout it\n$/);
});
