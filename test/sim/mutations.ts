/**
 * Ways to break the protocol by one line: the simulation must find each of them, or it would not find a mistake of ours
 * either. The sources are changed as they are bundled; see scripts/run-program.js.
 */
export interface Mutation {
  readonly name: string;
  /** What it does away with. */
  readonly breaks: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const mutations: readonly Mutation[] = [
  {
    name: "no-fencing",
    breaks: "who has heard of a newer generation takes nothing from the primary of the older one",
    file: "cache-node/cells/backup-cells.ts",
    from: "row.nodes[0] === sender &&",
    to: "",
  },
  {
    name: "ack-before-backups",
    breaks: "nothing is acknowledged that is not on all members",
    file: "cache-node/replication/group-log.ts",
    from: "for (const acknowledged of this.#acknowledged.values()) committed = Math.min(committed, acknowledged);",
    to: "",
  },
  {
    name: "lease-ignored-by-holder",
    breaks: "a primary reads only while it holds the grants of all its backups",
    file: "cache-node/replication/grants.ts",
    from: "if (held === undefined || this.#clock.now() >= held.untilMs) return false;",
    to: "return true;",
  },
  {
    name: "lease-ignored-by-giver",
    breaks: "a new primary waits until what it granted the old one is over",
    file: "cache-node/cells/rows.ts",
    from: "this.#fencedUntilMs[group]! > nowMs",
    to: "false",
  },
  {
    name: "any-predecessor",
    breaks: "a member that has other effects than its new primary gets a snapshot",
    file: "cache-node/cells/backup-cells.ts",
    from: "if (compareVersions(decodeVersion(effect.value), last) !== 0) return false;",
    to: "",
  },
  {
    name: "late-snapshot",
    breaks: "a snapshot that was long under way does not put the clock back",
    file: "cache-node/cells/backup-cells.ts",
    from: "if (version.generation < last.generation) return false;",
    to: "",
  },
  {
    name: "ready-before-included",
    breaks: "a joining node is ready only once nothing is acknowledged without it",
    file: "cache-node/replication/group-logs.ts",
    from: "log.include(node, position);",
    to: "",
  },
  {
    name: "missed-generations",
    breaks: "a primary that has missed generations of its row begins anew",
    file: "cache-node/replication/group-logs.ts",
    from: "row.generation === led.row.generation + 1 &&",
    to: "",
  },
  {
    name: "reads-uncommitted",
    breaks: "no answer shows an effect that is not on all members",
    file: "cache-node/cells/primary-cells.ts",
    from: "if (cell === undefined || cell.position <= logs.of(group).committed) return { cell, ready: undefined };",
    to: "return { cell, ready: undefined };",
  },
  {
    name: "forgets-sessions",
    breaks: "a mutation that is sent again is not made again",
    file: "cache-node/store/cell-store.ts",
    from: "session.versions.set(effect.sessionSequence, result);",
    to: "",
  },
  {
    name: "forgets-refusals",
    breaks: "a late copy of a mutation that was refused changes nothing",
    file: "cache-node/cells/primary-cells.ts",
    from: "this.#keepAnswer(mutation, group, error);",
    to: "",
  },
];
