/** Package entry `mayfly/cache-node`: embed a cache node. Everything else in this folder is private. */
export { type RunCacheNodeOptions, runCacheNode } from "./main.ts";
export { startCacheNode } from "./node.ts";
export type { CacheNode, CacheNodeOptions } from "./node-options.ts";
