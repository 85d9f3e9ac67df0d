/**
 * The one error class and the one error table of the project. Callers match `code`, never the message; `kind`
 * says what to do about it. docs/ERRORS.md is held against this table by a test.
 */

export type ErrorKind = "invalid" | "moved" | "unavailable" | "busy" | "lost" | "gone" | "internal";

interface ErrorRow {
  readonly kind: ErrorKind;
  /** HTTP status of the controller's answer. */
  readonly http: number;
  /** First word of the RESP error that carries it. */
  readonly resp: string;
}

const row = (kind: ErrorKind, http: number, resp: string): ErrorRow => ({ kind, http, resp });

/** code -> kind, HTTP status, RESP prefix. RESP prefixes are unique, so that a client can map them back. */
export const errorTable = {
  INVALID_ARGUMENT: row("invalid", 400, "ERR"),
  UNKNOWN_COMMAND: row("invalid", 404, "UNKNOWNCMD"),
  TOO_LARGE: row("invalid", 413, "TOOLARGE"),
  WRONG_TYPE: row("invalid", 409, "WRONGTYPE"),
  UNAUTHENTICATED: row("invalid", 401, "NOAUTH"),
  TOKEN_INVALID: row("invalid", 401, "WRONGPASS"),
  TOKEN_EXPIRED: row("invalid", 401, "TOKENEXPIRED"),
  FORBIDDEN: row("invalid", 403, "NOPERM"),
  KEY_EXISTS: row("invalid", 409, "KEYEXISTS"),
  VERSION_MISMATCH: row("invalid", 412, "VERSIONMISMATCH"),
  ABORTED: row("invalid", 499, "ABORTED"),
  CLOSED: row("invalid", 410, "CLOSED"),
  INPUT_INVALID: row("invalid", 422, "BADINPUT"),
  OUTPUT_FAILED: row("invalid", 507, "OUTPUTFAILED"),
  PORT_IN_USE: row("invalid", 409, "PORTINUSE"),
  OUT_OF_MEMORY: row("invalid", 507, "NOMACHINEMEMORY"),
  STORE_REFUSED: row("invalid", 502, "STOREREFUSED"),
  MOVED: row("moved", 421, "MOVED"),
  PLACEMENT_REFUSED: row("moved", 409, "PLACEMENT"),
  UNAVAILABLE: row("unavailable", 503, "UNAVAILABLE"),
  CONTROLLER_UNREACHABLE: row("unavailable", 503, "NOCONTROLLER"),
  NODE_UNREACHABLE: row("unavailable", 503, "NONODE"),
  NOT_ENOUGH_NODES: row("unavailable", 503, "FEWNODES"),
  NOT_COMMITTED: row("unavailable", 409, "NOTCOMMITTED"),
  DEADLINE_EXCEEDED: row("unavailable", 504, "DEADLINE"),
  STORE_UNAVAILABLE: row("unavailable", 503, "NOSTORE"),
  TASK_FAILED: row("unavailable", 502, "TASKFAILED"),
  BUSY: row("busy", 429, "BUSY"),
  QUOTA_EXCEEDED: row("busy", 429, "QUOTA"),
  LOST: row("lost", 410, "LOST"),
  DAMAGED: row("lost", 500, "DAMAGED"),
  NOT_FOUND: row("gone", 404, "NOTFOUND"),
  EXPIRED: row("gone", 410, "EXPIRED"),
  FREED: row("gone", 410, "FREED"),
  JOB_UNKNOWN: row("gone", 404, "JOBUNKNOWN"),
  JOB_ENDED: row("gone", 410, "JOBENDED"),
  NODE_UNKNOWN: row("gone", 404, "NODEUNKNOWN"),
  PROTOCOL: row("internal", 500, "PROTOCOL"),
  INTERNAL: row("internal", 500, "INTERNAL"),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

const codeOfPrefix = new Map<string, ErrorCode>(
  (Object.keys(errorTable) as ErrorCode[]).map((code) => [errorTable[code].resp, code]),
);

export interface MayflyErrorOptions {
  readonly cause?: unknown;
  /** With kind `busy`: do not come back sooner than this. */
  readonly retryAfterMs?: number;
  /** With code `LOST`: the refs, as strings, whose bytes are gone. */
  readonly refs?: readonly string[];
}

/** Every error that leaves Mayfly is one of these. */
export class MayflyError extends Error {
  override readonly name = "MayflyError";
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly refs: readonly string[];

  constructor(code: ErrorCode, message: string, options: MayflyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.refs = options.refs ?? [];
  }

  /** What the caller should do: see STYLE: fix the call, refresh, back off, slow down, recompute, give up. */
  get kind(): ErrorKind {
    return errorTable[this.code].kind;
  }

  get httpStatus(): number {
    return errorTable[this.code].http;
  }

  /**
   * The line a node answers with, without the leading `-` and the line end: prefix, `retry-after-ms=N` if there is such
   * a hint, message. Line breaks become spaces.
   */
  toResp(): string {
    const hint = this.retryAfterMs === undefined ? "" : `retry-after-ms=${Math.ceil(this.retryAfterMs)} `;
    return `${errorTable[this.code].resp} ${hint}${this.message.replaceAll(/[\r\n]+/g, " ")}`;
  }

  /** The error that a RESP error line carries; an unknown prefix becomes `INTERNAL` with the whole line. */
  static fromResp(line: string): MayflyError {
    const space = line.indexOf(" ");
    const prefix = space < 0 ? line : line.slice(0, space);
    const code = codeOfPrefix.get(prefix);
    if (code === undefined) return new MayflyError("INTERNAL", line);
    const rest = space < 0 ? code : line.slice(space + 1);
    const hint = /^retry-after-ms=(\d{1,9}) /.exec(rest);
    if (hint === null) return new MayflyError(code, rest);
    return new MayflyError(code, rest.slice(hint[0].length), { retryAfterMs: Number(hint[1]) });
  }

  /**
   * Anything thrown, as a MayflyError: itself if it is one, also of another copy of this class (the SDK is one file, and a
   * program may hold several), else `INTERNAL` with the original as cause.
   */
  static from(thrown: unknown): MayflyError {
    if (thrown instanceof Error && thrown.name === "MayflyError") return thrown as MayflyError;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new MayflyError("INTERNAL", message, { cause: thrown });
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorTable, value);
}
