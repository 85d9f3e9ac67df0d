// Runs a TypeScript program of this repository that is not part of the package: bundles it, packages aside, and starts it.
//   node scripts/run-program.js test/sim/main.ts --schedules 1000
// With MAYFLY_MUTATION, the JSON of { file, from, to }, that piece of one source is replaced as it is bundled.
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
/** @type {{ file: string, from: string, to: string } | undefined} */
const mutation = JSON.parse(process.env["MAYFLY_MUTATION"] ?? "null") ?? undefined;
/** @type {import("esbuild").Plugin} */
const mutate = {
  name: "mutate",
  setup({ onLoad }) {
    if (mutation === undefined) return;
    const { file, from, to } = mutation;
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (path !== join(root, file)) return undefined;
      const source = readFileSync(path, "utf8");
      if (source.split(from).length !== 2) throw new Error(`${file} does not hold this once: ${from}`);
      return { contents: source.replace(from, () => to), loader: "ts" };
    });
  },
};
await build({
  plugins: [mutate],
  ...{ entryPoints: [join(root, entry)], outfile, bundle: true, packages: "external" },
  ...{ platform: "node", format: "esm", target: "node20", logLevel: "warning", sourcemap: "inline" },
});
process.argv = [process.argv[0] ?? "node", outfile, ...args];
await import(pathToFileURL(outfile).href);
