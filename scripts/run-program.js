// Runs a TypeScript program of this repository that is not part of the package: bundles it, packages aside, and starts it.
//   node scripts/run-program.js test/sim/main.ts --schedules 1000
// With MAYFLY_MUTATION, the JSON of a list of { file, from, to }, those pieces of sources are replaced as they are bundled. For the
// simulation constants are smaller than in reality: objects of several stripes, and shards of several frames, cost little.
// @ts-check
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [entry = "", ...args] = process.argv.slice(2);
// Beside the packages, which it imports from there.
const dir = join(root, "node_modules", ".cache", "mayfly-programs", String(process.pid));
mkdirSync(dir, { recursive: true });
process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
const outfile = join(dir, basename(entry).replace(/\.ts$/, ".js"));
/** @type {readonly { file: string, from: string, to: string }[]} */
const mutation = JSON.parse(process.env["MAYFLY_MUTATION"] ?? "[]");
const layout = "src/wire/stripe-layout.ts";
const scaled = [
  { file: layout, from: "shardBytesMax = 512 * 1024;", to: "shardBytesMax = 512;" },
  { file: layout, from: "frameBytes = 16 * 1024;", to: "frameBytes = 256;" },
  { file: layout, from: "inlineBytesMax = 16 * 1024;", to: "inlineBytesMax = 64;" },
];
const replacements = [...mutation, ...(entry.startsWith("test/sim/") ? scaled : [])];
/** @type {import("esbuild").Plugin} */
const mutate = {
  name: "mutate",
  setup({ onLoad }) {
    if (replacements.length === 0) return;
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const ofFile = replacements.filter(({ file }) => path === join(root, file));
      if (ofFile.length === 0) return undefined;
      let source = readFileSync(path, "utf8");
      for (const { file, from, to } of ofFile) {
        if (source.split(from).length !== 2) throw new Error(`${file} does not hold this once: ${from}`);
        source = source.replace(from, () => to);
      }
      return { contents: source, loader: "ts" };
    });
  },
};
await build({
  plugins: [mutate],
  ...{ entryPoints: [join(root, entry)], outfile, bundle: true, packages: "external" },
  ...{ platform: "node", format: "esm", target: "node20", logLevel: "warning", sourcemap: "inline" },
});
// For programs that start themselves anew, with other mutations.
process.env["MAYFLY_RUN_PROGRAM"] = fileURLToPath(import.meta.url);
process.argv = [process.argv[0] ?? "node", outfile, ...args];
await import(pathToFileURL(outfile).href);
