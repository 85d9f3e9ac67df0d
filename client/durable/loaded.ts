/** What has to do with lasting: one chunk of the SDK, loaded with the first call of any of it. */
export { importObjects } from "./import-objects.ts";
export { persistKeys } from "./persist-keys.ts";
export { putDurable } from "./put-durable.ts";
