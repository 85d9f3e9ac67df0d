/** Package entry `mayfly/cache-node`: embed a cache node. Everything else in this folder is private. */
export { type RunCacheNodeOptions, runCacheNode } from "./main.ts";
export { type CacheNode, type CacheNodeOptions, startCacheNode } from "./node.ts";
