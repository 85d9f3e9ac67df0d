/**
 * What becomes of the ways in which a request to S3 fails. The names are those of
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */

/** What a failure means for the request, whichever it is. */
export type FailureKind =
  /** Repeat it, more slowly. */
  | "throttled"
  /** Repeat it. */
  | "passing"
  /** Repeat it; what came, or what was sent, was not what left. */
  | "damaged"
  /** There is no object of the name. */
  | "absent"
  /** There is no upload of the id: it was completed, or aborted. */
  | "no-upload"
  /** The condition of the request does not hold. */
  | "condition"
  /** The range begins behind the object's end. */
  | "range"
  | "too-large"
  /** The server does not know such a request. */
  | "unknown-request"
  /** It will never work. */
  | "refused";

export interface Failure {
  readonly kind: FailureKind;
  /** "503 SlowDown: Please reduce your request rate", for messages. */
  readonly reason: string;
  /** The server may have done nevertheless what it was asked to. */
  readonly mayHaveHappened: boolean;
  readonly cause: unknown;
}

/** What came does not have the checksum that the store has of it, or is of another length. */
export class DamagedBody extends Error {
  override readonly name = "DamagedBody";
}

/** No byte came or went for so long that the request was given up. */
export class StalledRequest extends Error {
  override readonly name = "StalledRequest";
}

const kindOfCode: ReadonlyMap<string, FailureKind> = new Map(
  (
    [
      ["throttled", ["SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"]],
      ["throttled", ["TooManyRequestsException", "BandwidthLimitExceeded", "ServiceUnavailable"]],
      ["passing", ["InternalError", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict"]],
      ["damaged", ["BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"]],
      ["damaged", ["IncompleteBody", "MalformedXML", "InvalidDigest", "DamagedBody"]],
      ["absent", ["NoSuchKey", "NotFound"]],
      ["no-upload", ["NoSuchUpload"]],
      ["condition", ["PreconditionFailed"]],
      ["range", ["InvalidRange"]],
      ["too-large", ["EntityTooLarge"]],
      ["unknown-request", ["NotImplemented", "MethodNotAllowed"]],
      ["refused", ["NoSuchBucket", "CredentialsProviderError"]],
    ] as const
  ).flatMap(([kind, codes]) => codes.map((code) => [code, kind] as const)),
);

const kindOfStatus: ReadonlyMap<number, FailureKind> = new Map([
  ...([404] as const).map((status) => [status, "absent"] as const),
  ...([408, 500, 502, 504] as const).map((status) => [status, "passing"] as const),
  ...([429, 503] as const).map((status) => [status, "throttled"] as const),
  ...([412] as const).map((status) => [status, "condition"] as const),
  ...([413] as const).map((status) => [status, "too-large"] as const),
  ...([416] as const).map((status) => [status, "range"] as const),
  ...([405, 501] as const).map((status) => [status, "unknown-request"] as const),
]);

/** A server behind such a certificate is not the one that is meant. */
const certificateError = /^(?:CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;
const textMax = 300;

export function failureOf(thrown: unknown): Failure {
  const { name, message, code, $metadata } = thrown as {
    readonly name?: unknown;
    readonly message?: unknown;
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const errorCode = typeof name === "string" ? name : "Error";
  const errno = typeof code === "string" ? code : undefined;
  const said = [status, errorCode === "Error" ? errno : errorCode].filter((part) => part !== undefined);
  const reason = `${said.join(" ")}: ${String(message ?? thrown)}`.slice(0, textMax);
  return {
    kind: kindOf(errorCode, status, errno),
    reason: reason.replaceAll(/\s+/g, " "),
    // An answer below 500 says what has become of the request.
    mayHaveHappened: status === undefined ? errno !== "ECONNREFUSED" : status < 300 || status >= 500,
    cause: thrown,
  };
}

function kindOf(name: string, status: number | undefined, errno: string | undefined): FailureKind {
  const known = kindOfCode.get(name);
  if (known !== undefined) return known;
  // Without an answer, or with one that cannot be understood: the way, or the server, is in trouble.
  if (status === undefined) return certificateError.test(errno ?? "") ? "refused" : "passing";
  return kindOfStatus.get(status) ?? (status < 300 || status > 500 ? "passing" : "refused");
}

/** What whoever runs the program should look at; for messages. */
export function adviceOf({ reason }: Failure): string {
  if (/NoSuchBucket/.test(reason)) return "Make the bucket, or correct the URL of the store.";
  if (/CredentialsProvider/.test(reason)) {
    return "Give credentials where the AWS SDK finds them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, a role.";
  }
  if (/RequestTimeTooSkewed/.test(reason)) return "Set the clock of this machine.";
  if (/^403\b|Expired|Signature|AccessKey/.test(reason)) {
    return "Give credentials that are valid and may read, write, list and delete below the URL of the store.";
  }
  if (/^30\d\b|Redirect|AuthorizationHeaderMalformed/.test(reason)) {
    return "Give the region of the bucket: ?region=... in the URL of the store.";
  }
  return "Trying again changes nothing.";
}
