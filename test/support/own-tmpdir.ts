import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, onTestFinished, vi } from "vitest";

/** Each test of the file, and what it starts, has a folder for temporary files that no other test puts any in. */
export function ownTmpdir(): void {
  beforeEach(() => {
    const dir = mkdtempSync(join(tmpdir(), "mayfly-test-"));
    vi.stubEnv("TMPDIR", dir);
    onTestFinished(() => {
      vi.unstubAllEnvs();
      rmSync(dir, { recursive: true, force: true });
    });
  });
}
