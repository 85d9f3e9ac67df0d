/** The SDK as a function ships it: one minified file. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

export interface SdkBundle {
  readonly url: string;
  readonly bytes: number;
  readonly gzipBytes: number;
  remove(): Promise<void>;
}

/** The SDK's entry, as it was built beside this file. */
export const sdkUrl: string = new URL("../../client/index.js", import.meta.url).href;

/** Bundles the SDK for Node into a temporary folder. @throws Error when it cannot be bundled */
export async function bundleSdk(): Promise<SdkBundle> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(sdkUrl)],
    ...{ bundle: true, minify: true, write: false, logLevel: "silent" },
    ...{ platform: "node", format: "esm", target: "node20" },
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error("esbuild has made nothing of the SDK");
  const { contents } = output;
  const dir = await mkdtemp(join(tmpdir(), "mayfly-sdk-"));
  const path = join(dir, "mayfly.mjs");
  await writeFile(path, contents);
  return {
    url: pathToFileURL(path).href,
    bytes: contents.length,
    gzipBytes: gzipSync(contents, { level: 9 }).length,
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
