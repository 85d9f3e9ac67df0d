/** `mayfly spill ...`: what fleets have spilled to an object store is listed, removed and checked. */
import type { FoundManifest } from "../controller/sweep/manifest.ts";
import type { SpillFolder } from "../controller/sweep/spill-folders.ts";
import type { ObjectStore } from "../durable/object-store.ts";
import { controllerOption, withController } from "./fleet-access.ts";
import { flag, option } from "./option.ts";
import { formatBytes, formatDuration, parseDurationMs } from "./sizes.ts";
import { storeOption } from "./store-option.ts";
import { type Column, formatTable, printable } from "./table.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb, type VerbContext } from "./verb.ts";

const common = { controller: controllerOption, store: storeOption };
const goneAfterOption = option({
  value: "DURATION",
  help: "a fleet that has not been heard of for so long is gone",
  parse: parseDurationMs,
  default: "24h",
});

/** The store that was named, or that of the controller's fleet. */
async function withStore<Result>(
  { options, clock }: Pick<VerbContext<typeof common>, "options" | "clock">,
  use: (store: ObjectStore) => Promise<Result>,
): Promise<Result> {
  const url =
    options.store ??
    (await withController(
      options.controller,
      async (controller) => (await controller.status()).spill?.storeUrl,
    ));
  if (url === undefined) {
    throw new UsageError("the fleet of this controller has no object store; name one with --store URL");
  }
  const { openObjectStore } = await import("../durable/open-store.ts");
  const { systemRng } = await import("../clock.ts");
  const store = await openObjectStore(url, { clock, rng: systemRng });
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

interface Row extends SpillFolder {
  readonly state: "alive" | "gone" | "kept";
}

/** All that was spilled, and whether its fleet lives as far as the store tells. */
async function survey(store: ObjectStore, nowMs: number, goneAfterMs: number): Promise<Row[]> {
  const { listSpillFolders } = await import("../controller/sweep/spill-folders.ts");
  const { listManifests } = await import("../controller/sweep/manifest.ts");
  const { isAbandoned } = await import("../controller/sweep/plan-sweep.ts");
  const manifests = new Map((await listManifests(store)).map((manifest) => [manifest.fleet, manifest]));
  const folders = await listSpillFolders(store);
  const stateOf = ({ fleet }: SpillFolder): Row["state"] => {
    const manifest: FoundManifest | undefined = manifests.get(fleet);
    if (manifest?.keep === true) return "kept";
    const own = folders.filter((folder) => folder.fleet === fleet);
    const isOld = manifest === undefined || nowMs - manifest.renewedAtMs > goneAfterMs;
    return isOld && isAbandoned(own, nowMs, goneAfterMs) ? "gone" : "alive";
  };
  return folders.map((folder) => ({ ...folder, state: stateOf(folder) }));
}

const columns: readonly Column[] = [
  { title: "FLEET" },
  { title: "JOB", align: "right" },
  { title: "OBJECTS", align: "right" },
  { title: "BYTES", align: "right" },
  { title: "NEWEST", align: "right" },
  { title: "STATE" },
];

function lines(rows: readonly Row[], nowMs: number): string[] {
  const cells = rows.map(({ fleet, job, objects, bytes, newestAtMs, state }) => [
    ...[fleet, String(job), String(objects), formatBytes(bytes)],
    ...[`${formatDuration(Math.max(0, nowMs - newestAtMs))} ago`, state],
  ]);
  return formatTable(columns, cells);
}

export const spillLsVerb = defineVerb({
  name: "spill ls",
  summary: "list what fleets have spilled to an object store",
  usage: "",
  description: "By fleet and job. Objects are those of the store: each may hold many of the job's.",
  options: { ...common, "gone-after": goneAfterOption },
  examples: ["mayfly spill ls", "mayfly spill ls --store file:///var/lib/mayfly --json"],
  async run(context) {
    const { options, json, print, note, clock } = context;
    const rows = await withStore(context, (store) => survey(store, clock.wallMs(), options["gone-after"]));
    if (json) return print(JSON.stringify(rows));
    if (rows.length === 0) return note("nothing is spilled there");
    for (const line of lines(rows, clock.wallMs())) print(line);
  },
});

export const spillRmVerb = defineVerb({
  name: "spill rm",
  summary: "remove what was spilled by fleets that are gone",
  usage: "",
  description:
    "Prints what it would remove; with --yes it does. Controllers do the same by themselves, for fleets that share their object " +
    "store. What is durable is never touched.",
  options: { ...common, "gone-after": goneAfterOption, yes: flag("remove it", "y") },
  examples: ["mayfly spill rm", "mayfly spill rm --store s3://bucket/prefix --yes"],
  async run(context) {
    const { options, json, print, note, clock } = context;
    await withStore(context, async (store) => {
      const rows = await survey(store, clock.wallMs(), options["gone-after"]);
      const gone = rows.filter(({ state }) => state === "gone");
      if (options.yes) {
        const { deleteSpillFolder } = await import("../controller/sweep/spill-folders.ts");
        const { manifestName } = await import("../wire/stored-names.ts");
        for (const row of gone) await deleteSpillFolder(store, row);
        const fleets = [...new Set(gone.map(({ fleet }) => fleet))];
        if (fleets.length > 0) await store.delete(fleets.map(manifestName));
      }
      if (json) return print(JSON.stringify({ removed: options.yes, folders: gone }));
      if (gone.length === 0) return note("nothing there is of a fleet that is gone");
      for (const line of lines(gone, clock.wallMs())) print(line);
      note(options.yes ? "removed" : "nothing was removed; to remove it, add --yes");
    });
  },
});

export const spillVerifyVerb = defineVerb({
  name: "spill verify",
  summary: "read what was spilled and check it",
  usage: "",
  description: "Reads all of it, frame by frame, and ends with 1 when something is damaged.",
  options: common,
  examples: ["mayfly spill verify --store file:///var/lib/mayfly"],
  async run(context) {
    const { json, print, note } = context;
    const { verifySpilled } = await import("./verify-spilled.ts");
    const result = await withStore(context, verifySpilled);
    if (json) print(JSON.stringify(result));
    else {
      for (const { name, why } of result.damaged) print(`${printable(name)}: ${printable(why)}`);
      note(
        `${result.packs} stored objects with ${result.objects} objects (${formatBytes(result.bytes)}) were read, ` +
          `${result.damaged.length} are damaged`,
      );
    }
    if (result.damaged.length === 0) return;
    const { MayflyError } = await import("../errors.ts");
    throw new MayflyError(
      "DAMAGED",
      `${result.damaged.length} of ${result.packs} stored objects are damaged.`,
    );
  },
});
