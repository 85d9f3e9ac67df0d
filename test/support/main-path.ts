/** The program that tests start as processes: the built CLI, since Node 20 runs no TypeScript. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const builtMain = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

/** MAYFLY_TEST_MAIN names the main file of another build. */
export const mainPath: string = process.env["MAYFLY_TEST_MAIN"] ?? builtMain;

if (!existsSync(mainPath)) {
  throw new Error(`There is no ${mainPath}, which these tests start as a process. Build it: npm run build`);
}
