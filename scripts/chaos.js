// Runs test/chaos/main.ts, which Node 20 cannot run as it is: bundles it and the load process into a temporary folder.
//
//     npm run chaos -- --minutes 3 --seed 1 --json
//
// All options: npm run chaos -- --help. The fleet itself is that of the last build (npm run build).
// @ts-check
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const prefix = "mayfly-chaos-program-";

// What a run that was killed left behind; all else of it goes by itself.
for (const name of existsSync("/proc/self") ? readdirSync(tmpdir()) : []) {
  const pid = name.startsWith(prefix) ? name.slice(prefix.length).split("-")[0] : undefined;
  if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
buildSync({
  entryPoints: [join(root, "test/chaos/main.ts"), join(root, "test/chaos/load/main.ts")],
  ...{ outdir: folder, bundle: true, platform: "node", format: "esm", target: "node20", logLevel: "warning" },
});
const child = spawn(process.execPath, [join(folder, "main.js"), ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, MAYFLY_ROOT: root },
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill("SIGTERM"));
const [code] = await once(child, "exit");
process.exitCode = code ?? 1;
