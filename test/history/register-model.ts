/**
 * A key that holds one value or nothing: put, put-if-absent, compare-and-set by version, delete. The bytes of a cell, a
 * ref and a counter made of compare-and-sets are all of this kind.
 */
import type { Model, Operation } from "./operation.ts";

export type RegisterOp =
  | {
      readonly kind: "put";
      /** No two puts of a key have the same. */
      readonly value: string;
      readonly ifAbsent?: true;
      readonly ifVersion?: string;
      /** What `ifVersion` is the version of; filled in by the checker when the history tells. */
      readonly over?: string;
    }
  | { readonly kind: "get" }
  | { readonly kind: "stat" }
  /** Reads the value only if the key is still at this version. */
  | { readonly kind: "get-at"; readonly version: string }
  | { readonly kind: "delete"; readonly ifVersion?: string };

export type RegisterResult =
  /** A put took place; a writer that was not told its version leaves it out. */
  | { readonly kind: "written"; readonly version?: string }
  | { readonly kind: "value"; readonly value: string }
  | { readonly kind: "version"; readonly version: string }
  | { readonly kind: "absent" }
  /** A put-if-absent found something. */
  | { readonly kind: "exists" }
  /** The key was not at the version. */
  | { readonly kind: "mismatch" }
  | { readonly kind: "deleted" };

export interface RegisterState {
  /** Undefined: there is nothing. */
  readonly value: string | undefined;
  /** Undefined: of a value whose writer was never told. */
  readonly version: string | undefined;
}

export type RegisterOperation = Operation<RegisterOp, RegisterResult>;

/** Stands for the value of every put that nobody knows the outcome of and nobody ever read. */
const unseen = "(a value that nobody read)";

const absent: RegisterState = { value: undefined, version: undefined };

export const registerModel: Model<RegisterState, RegisterOp, RegisterResult> = {
  initial: absent,
  step(state, op, result) {
    switch (op.kind) {
      case "put":
        return stepPut(state, op, result);
      case "delete":
        return stepDelete(state, op, result);
      case "get":
        if (result?.kind === "absent") return ifHolds(state, state.value === undefined);
        return ifHolds(state, result?.kind === "value" && result.value === state.value);
      case "stat":
        if (result?.kind === "absent") return ifHolds(state, state.value === undefined);
        return result?.kind === "version" ? atVersion(state, result.version) : undefined;
      case "get-at": {
        if (result?.kind === "mismatch") return ifHolds(state, state.version !== op.version);
        if (result?.kind === "absent") return ifHolds(state, state.value === undefined);
        const bound = result?.kind === "value" ? atVersion(state, op.version) : undefined;
        return bound !== undefined && result?.kind === "value" && bound.value === result.value
          ? bound
          : undefined;
      }
    }
  },
  hash: ({ value, version }) => (value === undefined ? "" : `${version ?? "?"} ${value}`),
  isRead: (_op, result) => result.kind !== "written" && result.kind !== "deleted",
  describe(op, result) {
    const condition = "ifVersion" in op && op.ifVersion !== undefined ? ` if at ${op.ifVersion}` : "";
    const what = {
      put: () =>
        op.kind === "put" ? `put ${op.value}${op.ifAbsent === true ? " if absent" : condition}` : "",
      delete: () => `delete${condition}`,
      get: () => "get",
      stat: () => "stat",
      "get-at": () => (op.kind === "get-at" ? `get at ${op.version}` : ""),
    }[op.kind]();
    return `${what} -> ${describeResult(result)}`;
  },
  describeState: ({ value, version }) =>
    value === undefined ? "nothing" : `${value} at version ${version ?? "(unknown)"}`,
  simplify: simplifyRegister,
  mentions(op, result) {
    const names: (string | undefined)[] = [
      "value" in op ? op.value : undefined,
      "version" in op ? op.version : undefined,
      "ifVersion" in op ? op.ifVersion : undefined,
      result !== undefined && "value" in result ? result.value : undefined,
      result !== undefined && "version" in result ? result.version : undefined,
    ];
    return names.filter((name) => name !== undefined);
  },
};

function stepPut(
  state: RegisterState,
  op: Extract<RegisterOp, { kind: "put" }>,
  result: RegisterResult | undefined,
): RegisterState | undefined {
  if (result?.kind === "exists") return ifHolds(state, op.ifAbsent === true && state.value !== undefined);
  if (result?.kind === "mismatch") return ifHolds(state, isMismatch(state, op.ifVersion));
  if (op.ifAbsent === true && state.value !== undefined) return undefined;
  if (op.ifVersion !== undefined && atVersion(state, op.ifVersion) === undefined) return undefined;
  if (op.over !== undefined && state.value !== op.over) return undefined;
  if (result === undefined) return { value: op.value, version: undefined };
  return result.kind === "written" ? { value: op.value, version: result.version } : undefined;
}

function stepDelete(
  state: RegisterState,
  op: Extract<RegisterOp, { kind: "delete" }>,
  result: RegisterResult | undefined,
): RegisterState | undefined {
  if (result?.kind === "absent") return ifHolds(state, state.value === undefined);
  if (result?.kind === "mismatch") return ifHolds(state, isMismatch(state, op.ifVersion));
  if (state.value === undefined) return undefined;
  if (op.ifVersion !== undefined && atVersion(state, op.ifVersion) === undefined) return undefined;
  return result === undefined || result.kind === "deleted" ? absent : undefined;
}

function ifHolds(state: RegisterState, holds: boolean): RegisterState | undefined {
  return holds ? state : undefined;
}

/** The state if it is, or may be, at this version; from then on it is known to be. */
function atVersion(state: RegisterState, version: string): RegisterState | undefined {
  if (state.value === undefined) return undefined;
  if (state.version === undefined) return { value: state.value, version };
  return state.version === version ? state : undefined;
}

function isMismatch(state: RegisterState, ifVersion: string | undefined): boolean {
  return ifVersion !== undefined && state.version !== ifVersion;
}

/**
 * What the history tells of puts of unknown outcome. One whose value was read took place, at the latest when the first such
 * read returned; those whose values nobody read are all alike. A version belongs to one value.
 */
function simplifyRegister(history: readonly RegisterOperation[]): RegisterOperation[] {
  const { firstReadMs, versions, owners } = factsOf(history);
  return history.map((operation): RegisterOperation => {
    const { op, result, invokedAtMs } = operation;
    if (op.kind !== "put") return operation;
    const over = op.ifVersion === undefined ? undefined : owners.get(op.ifVersion);
    const named = over === undefined ? op : { ...op, over };
    if (result !== undefined) return { ...operation, op: named };
    const readMs = firstReadMs.get(op.value);
    if (readMs === undefined) return { ...operation, op: { ...named, value: unseen } };
    // Read before it was invoked: that is for the search to find.
    if (readMs < invokedAtMs) return { ...operation, op: named };
    const version = versions.get(op.value);
    const written = { kind: "written", ...(version !== undefined && { version }) } as const;
    return { ...operation, op: named, returnedAtMs: readMs, result: written };
  });
}

interface RegisterFacts {
  /** Value -> when the first read that saw it returned. */
  readonly firstReadMs: ReadonlyMap<string, number>;
  /** Value -> version, and version -> value. */
  readonly versions: ReadonlyMap<string, string>;
  readonly owners: ReadonlyMap<string, string>;
}

function factsOf(history: readonly RegisterOperation[]): RegisterFacts {
  const firstReadMs = new Map<string, number>();
  const versions = new Map<string, string>();
  const owners = new Map<string, string>();
  const belongs = (version: string, value: string): void => {
    versions.set(value, version);
    owners.set(version, value);
  };
  for (const { op, result, returnedAtMs } of history) {
    if (op.kind === "put" && result?.kind === "written" && result.version !== undefined) {
      belongs(result.version, op.value);
    }
    if (result?.kind !== "value" || returnedAtMs === undefined) continue;
    if (op.kind === "get-at") belongs(op.version, result.value);
    firstReadMs.set(result.value, Math.min(returnedAtMs, firstReadMs.get(result.value) ?? Infinity));
  }
  return { firstReadMs, versions, owners };
}

/** Versions are never used again: the puts of one key that were told the same one, as text; empty if there are none. */
export function versionsUsedTwice(history: readonly RegisterOperation[]): string[] {
  const owners = new Map<string, string>();
  return history.flatMap(({ key, client, op, result }) => {
    if (op.kind !== "put" || result?.kind !== "written" || result.version === undefined) return [];
    const what = `${key} ${result.version}`;
    const owner = owners.get(what);
    owners.set(what, op.value);
    return owner === undefined
      ? []
      : [`key ${key}: version ${result.version} is that of ${owner} and of ${op.value} (client ${client})`];
  });
}

function describeResult(result: RegisterResult | undefined): string {
  if (result === undefined) return "outcome unknown";
  if ("value" in result) return result.value;
  return result.kind === "written" || result.kind === "version"
    ? `${result.kind} ${result.version ?? ""}`.trim()
    : result.kind;
}
