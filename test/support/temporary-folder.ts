import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/** A folder for the tests of a file, removed after them. @returns a new folder in it, which is not there yet, at each call */
export function useTemporaryFolder(): () => string {
  let root: string;
  let count = 0;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "mayfly-test-"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return () => join(root, String(++count));
}
