/** Modules of the build that `mainPath` belongs to, for what runs in processes without TypeScript. */
import { pathToFileURL } from "node:url";
import { mainPath } from "./main-path.ts";

/** @param path in the build, like "client/index.js" */
export function builtModuleUrl(path: string): string {
  return new URL(`../../${path}`, pathToFileURL(mainPath)).href;
}
