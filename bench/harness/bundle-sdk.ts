/** The SDK as a function ships it: minified, what is loaded at the start and chunks for the rest. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

export interface SdkBundle {
  readonly url: string;
  /** What a function loads before its first line: what it may never use stays in chunks of its own. */
  readonly bytes: number;
  readonly gzipBytes: number;
  /** With all chunks. */
  readonly allBytes: number;
  remove(): Promise<void>;
}

/** The SDK's entry, as it was built beside this file. */
export const sdkUrl: string = new URL("../../client/index.js", import.meta.url).href;

/** Bundles the SDK for Node into a temporary folder. @throws Error when it cannot be bundled */
export async function bundleSdk(): Promise<SdkBundle> {
  const dir = await mkdtemp(join(tmpdir(), "mayfly-sdk-"));
  const { metafile } = await build({
    entryPoints: { mayfly: fileURLToPath(sdkUrl) },
    ...{ bundle: true, minify: true, splitting: true, metafile: true, logLevel: "silent" },
    ...{ platform: "node", format: "esm", target: "node20", outdir: dir, outExtension: { ".js": ".mjs" } },
    external: ["@aws-sdk/*"],
  });
  const files = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [resolve(path), output] as const),
  );
  const entry = join(dir, "mayfly.mjs");
  const atStart = new Set<string>();
  const load = (path: string): void => {
    const output = files.get(path);
    if (output === undefined || atStart.has(path)) return;
    atStart.add(path);
    for (const { path: imported, kind } of output.imports) {
      if (kind === "import-statement") load(resolve(imported));
    }
  };
  load(entry);
  if (atStart.size === 0) throw new Error("esbuild has made nothing of the SDK");
  const contents = await Promise.all([...atStart].map((path) => readFile(path)));
  const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
  return {
    url: pathToFileURL(entry).href,
    bytes: sum(contents.map(({ length }) => length)),
    gzipBytes: sum(contents.map((each) => gzipSync(each, { level: 9 }).length)),
    allBytes: sum([...files.values()].map(({ bytes }) => bytes)),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
