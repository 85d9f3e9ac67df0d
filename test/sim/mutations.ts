/**
 * Ways to break the protocol by a line: the simulation must find each of them, or it would not find a mistake of ours
 * either. The sources are changed as they are bundled; see scripts/run-program.js.
 */
export interface Edit {
  readonly file: string;
  /** There exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Mutation {
  readonly name: string;
  /** What it does away with. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

const primaryCells = "cache-node/cells/primary-cells.ts";
const mutationLog = "cache-node/cells/mutation-log.ts";
const backupCells = "cache-node/cells/backup-cells.ts";
const groupLogs = "cache-node/replication/group-logs.ts";

const ofCells: readonly Mutation[] = [
  {
    name: "no-fencing",
    breaks: "who has heard of a newer generation takes nothing from the primary of the older one",
    edits: [
      { file: backupCells, from: "row.nodes[0] === sender &&", to: "" },
      // Either of the two would do.
      {
        file: backupCells,
        from: "version.generation !== last.generation || version.sequence",
        to: "version.sequence",
      },
    ],
  },
  {
    name: "ack-before-backups",
    breaks: "nothing is acknowledged that is not on all members",
    edits: [
      {
        file: "cache-node/replication/group-log.ts",
        from: "if (this.#acknowledged.size === 0) this.#advance();",
        to: "this.#advance();",
      },
      {
        file: "cache-node/replication/group-log.ts",
        from: "for (const acknowledged of this.#acknowledged.values()) committed = Math.min(committed, acknowledged);",
        to: "",
      },
    ],
  },
  {
    name: "lease-ignored-by-holder",
    breaks: "a primary reads only while it holds the grants of all its backups",
    edits: [
      {
        file: "cache-node/replication/grants.ts",
        from: "if (held === undefined || this.#clock.now() >= held.untilMs) return false;",
        to: "return true;",
      },
    ],
  },
  {
    name: "lease-ignored-by-giver",
    breaks: "a new primary waits until what it granted the old one is over",
    edits: [{ file: "cache-node/cells/rows.ts", from: "this.#fencedUntilMs[group]! > nowMs", to: "false" }],
  },
  {
    name: "any-predecessor",
    breaks: "a member that has other effects than its new primary gets a snapshot",
    edits: [
      {
        file: backupCells,
        from: "if (compareVersions(decodeVersion(effect.value), last) !== 0) return false;",
        to: "",
      },
    ],
  },
  {
    name: "late-snapshot",
    breaks: "a snapshot that was long under way does not put the clock back",
    edits: [{ file: backupCells, from: "if (version.generation < last.generation) return false;", to: "" }],
  },
  {
    name: "ready-before-included",
    breaks: "a joining node is ready only once nothing is acknowledged without it",
    edits: [{ file: groupLogs, from: "log.include(node, position);", to: "" }],
  },
  {
    name: "promotes-joining",
    breaks: "a joining node is a full member only once it was reported ready",
    edits: [
      {
        file: "src/placement/plan-transition.ts",
        from: "const ready = joining.filter((id) => reports.isReady(group, generation, id));",
        to: "const ready = joining;",
      },
    ],
  },
  {
    name: "reads-uncommitted",
    breaks: "no answer shows an effect that is not on all members",
    edits: [
      {
        file: primaryCells,
        from: "if (cell === undefined || cell.position <= logs.of(group).committed) return { cell, ready: undefined };",
        to: "return { cell, ready: undefined };",
      },
    ],
  },
  {
    name: "forgets-sessions",
    breaks: "a mutation that is sent again is not made again",
    edits: [
      {
        file: mutationLog,
        from: "if (known === undefined) return undefined;",
        to: "return undefined;",
      },
    ],
  },
  {
    name: "forgets-refusals",
    breaks: "a late copy of a mutation that was refused changes nothing",
    edits: [{ file: mutationLog, from: "this.keepAnswer(mutation, group, { refused: error });", to: "" }],
  },
];

const ofObjects: readonly Mutation[] = [
  {
    name: "commit-before-shards",
    breaks: "a ref is committed when all shards are acknowledged",
    edits: [
      {
        file: "client/objects/write-stripe.ts",
        from: "nodes[shard] = await sendShard(context, write, shard, node, lease, taken, deadline);",
        to: "void sendShard(context, write, shard, node, lease, taken, deadline).catch(() => undefined);",
      },
    ],
  },
  {
    name: "commit-names-anybody",
    breaks: "the primary refuses a ref that names a node that is dead or draining",
    edits: [{ file: primaryCells, from: "if (wrong.length > 0) {", to: "if (wrong.length > 1000) {" }],
  },
  {
    name: "late-commit",
    breaks: "an object that was aborted is never committed",
    edits: [
      {
        file: primaryCells,
        from: "if (this.#options.cells.wasAborted(job, group, ref.object)) {",
        to: "if (this.#options.cells.wasAborted(job, group, ref.object) && job > 1) {",
      },
    ],
  },
  {
    name: "frees-before-commit",
    breaks: "what an overwrite leaves is freed once the overwrite is on all members",
    edits: [
      {
        file: mutationLog,
        from: "const finish = (): T => {",
        to: "if (replacedRef !== undefined) this.#options.freeObject(job, decodeRef(replacedRef));\nconst finish = (): T => {",
      },
    ],
  },
  {
    name: "orphans-freed-without-abort",
    breaks: "a shard that no ref names is freed after it is logged that none ever will",
    edits: [
      {
        file: "cache-node/relocation/judge-shards.ts",
        from: "const aborted = await cells.abort(job, group, object).catch(() => false);",
        to: "const aborted = [...cells.refs(group)].every(({ value }) => objectOfRef(value) !== object);",
      },
    ],
  },
  {
    name: "relocates-whatever-is-there",
    breaks: "a relocation is a compare-and-set on the object id",
    edits: [
      {
        file: primaryCells,
        from: 'if (cell?.kind !== "ref" || decodeRef(cell.block!.view()).object !== object) return false;',
        to: 'if (cell?.kind !== "ref") return false;',
      },
      {
        file: "cache-node/relocation/relocate-object.ts",
        from: "if (now === undefined) return freeWritten();",
        to: "",
      },
      {
        file: "cache-node/relocation/relocate-object.ts",
        from: "if (Buffer.compare(now, encoded) !== 0) throw placedAnew();",
        to: "",
      },
    ],
  },
  {
    name: "repaired-before-looked-at",
    breaks: "a node says that nothing is left only when it has looked at all",
    edits: [
      {
        file: "cache-node/relocation/relocator.ts",
        from: "const busy = this.#toScan.size > 0 || this.#running.size > 0;",
        to: "const busy = false;",
      },
    ],
  },
  {
    name: "group-forgotten",
    breaks: "a group is looked at although its grants are late at that moment",
    edits: [
      {
        file: "cache-node/relocation-port.ts",
        from: "if (rows.serves(group)) yield group;",
        to: "if (rows.reads(group)) yield group;",
      },
    ],
  },
  {
    name: "drain-released-early",
    breaks: "a node that drains goes only when no ref names it",
    edits: [
      {
        file: "src/controller/relocation-progress.ts",
        from: "!vitals.report.relocation.byNode.some(([id, objects]) => id === node && objects > 0),",
        to: "true,",
      },
    ],
  },
  {
    name: "drain-believes-old-reports",
    breaks: "what a node reported before it knew of a drain says nothing about it",
    edits: [
      {
        file: "src/controller/relocation-progress.ts",
        from: "hasReported(vitals, since) &&\n      vitals.report.rowsPending === 0 &&\n      !vitals",
        to: "vitals.report.rowsPending === 0 &&\n      !vitals",
      },
    ],
  },
  {
    name: "mended-by-old-reports",
    breaks: "what a node reported before it knew of a death says nothing about repairs",
    edits: [
      {
        file: "src/controller/relocation-progress.ts",
        from: "hasReported(vitals, since) && vitals.report.rowsPending === 0 && vitals.report.relocation.objects === 0,",
        to: "vitals.report.rowsPending === 0 && vitals.report.relocation.objects === 0,",
      },
    ],
  },
  {
    name: "gives-up-too-many",
    breaks: "no more living nodes are given up than every job survives",
    edits: [
      {
        file: "src/controller/watch-fleet.ts",
        from: "buriedMax: Math.min(backups - cutAtMs.length, ...spare),",
        to: "buriedMax: backups - cutAtMs.length,",
      },
    ],
  },
];

export const mutations: readonly Mutation[] = [...ofCells, ...ofObjects];
