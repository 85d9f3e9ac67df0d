/**
 * What becomes of the ways in which AWS Lambda fails. The names are those of the Invoke API
 * (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors) and of its runtimes.
 */
import { type ErrorCode, MayflyError } from "../errors.ts";
import { CallRefused } from "./backend.ts";
import { fieldsOf } from "./lambda-call.ts";

const messageCharsMax = 2000;
const retryAfterMsMax = 60_000;

/** Lambda did not run the function, and will when it has a place for it or has set it up. */
const refusals: Readonly<Record<string, "BUSY" | "UNAVAILABLE">> = {
  TooManyRequestsException: "BUSY",
  ThrottlingException: "BUSY",
  EC2ThrottledException: "UNAVAILABLE",
  ENILimitReachedException: "UNAVAILABLE",
  ENINotReadyException: "UNAVAILABLE",
  SubnetIPAddressLimitReachedException: "UNAVAILABLE",
  ResourceNotReadyException: "UNAVAILABLE",
  SnapStartNotReadyException: "UNAVAILABLE",
  CodeArtifactUserPendingException: "UNAVAILABLE",
};

interface FinalRow {
  readonly code: ErrorCode;
  readonly advice: string;
}

const final = (code: ErrorCode, advice: string, ...names: readonly string[]): [string, FinalRow][] =>
  names.map((name) => [name, { code, advice }]);

/** What no repetition mends, also where Lambda calls it an error of the server. */
const finals: ReadonlyMap<string, FinalRow> = new Map([
  ...final(
    "NOT_FOUND",
    "Deploy it, or give the functionName, qualifier and region that it was deployed with.",
    "ResourceNotFoundException",
  ),
  ...final(
    "FORBIDDEN",
    "Allow lambda:InvokeFunction on it to whom the credentials belong.",
    "AccessDeniedException",
  ),
  ...final(
    "UNAUTHENTICATED",
    "Give AWS credentials that are valid now (AWS_PROFILE, AWS_ACCESS_KEY_ID, a role).",
    ...["CredentialsProviderError", "UnrecognizedClientException", "InvalidSignatureException"],
    ...["ExpiredTokenException", "IncompleteSignatureException", "MissingAuthenticationTokenException"],
  ),
  ...final(
    "TOO_LARGE",
    "Put what is large into the store (job.put) and pass its key.",
    ...["RequestTooLargeException", "SerializedRequestEntityTooLargeException"],
    "RequestEntityTooLargeException",
  ),
  ...final(
    "INVALID_ARGUMENT",
    "Correct the configuration of the function.",
    ...["InvalidRuntimeException", "InvalidZipFileException", "InvalidSecurityGroupIDException"],
    ...["InvalidSubnetIDException", "EC2AccessDeniedException", "KMSAccessDeniedException"],
    ...["KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException"],
  ),
]);

/** Lambda cannot start what was deployed. */
const deploymentErrors = new Set([
  ...["Runtime.ImportModuleError", "Runtime.HandlerNotFound", "Runtime.MalformedHandlerName"],
  ...["Runtime.UserCodeSyntaxError", "Runtime.InvalidEntrypoint"],
]);

/** What the SDK threw: the request did not get through, or Lambda did not take it. */
export function invokeError(thrown: unknown, functionName: string): MayflyError {
  const { name: type, message: text, code: errno, $metadata } = fieldsOf(thrown);
  const name = typeof type === "string" ? type : "Error";
  const status = fieldsOf($metadata)["httpStatusCode"];
  const message = `Lambda function ${functionName} was not run: ${name}: ${String(text ?? thrown)}`.slice(
    0,
    messageCharsMax,
  );
  const options = { cause: thrown, ...retryAfter(thrown) };
  const refused = refusals[name] ?? (status === 429 ? "BUSY" : undefined);
  if (refused !== undefined) return new CallRefused(refused, message, options);
  // While it is deployed; of other states of a function it comes only with a change of it.
  if (name === "ResourceConflictException" && /\bPending\b/.test(message)) {
    return new CallRefused("UNAVAILABLE", message, options);
  }
  const row = finals.get(name);
  if (row !== undefined) return new MayflyError(row.code, `${message} ${row.advice}`, options);
  if (typeof status === "number") {
    const mayPass = status >= 500 || status === 408 || status < 400;
    return new MayflyError(mayPass ? "UNAVAILABLE" : "INVALID_ARGUMENT", message, options);
  }
  if (typeof errno === "string" || name === "TimeoutError") {
    return new MayflyError("UNAVAILABLE", message, options);
  }
  if (/region is missing/i.test(message)) {
    return new MayflyError("INVALID_ARGUMENT", `${message}. Give region, or set AWS_REGION.`, options);
  }
  return new MayflyError("INTERNAL", message, options);
}

function retryAfter(thrown: unknown): { retryAfterMs?: number } {
  const ms = Number(fieldsOf(thrown)["retryAfterSeconds"]) * 1000;
  return ms > 0 ? { retryAfterMs: Math.min(ms, retryAfterMsMax) } : {};
}

/** What Lambda reports with `FunctionError`: the function began, and did not come to its reply. */
export function functionError(payload: unknown, functionName: string): MayflyError {
  const { errorType, errorMessage } = fieldsOf(payload);
  const what = [errorType, errorMessage].filter((part) => typeof part === "string").join(": ");
  const text = what.slice(0, messageCharsMax);
  if (errorType === "Function.ResponseSizeTooLarge") {
    return new MayflyError("TOO_LARGE", `${text} Put what is large into the store and return its key.`);
  }
  if (typeof errorType === "string" && deploymentErrors.has(errorType)) {
    return new MayflyError(
      "INVALID_ARGUMENT",
      `Lambda function ${functionName} cannot be started: ${text}. Deploy it with a handler made by createLambdaHandler.`,
    );
  }
  const seconds = /Task timed out after ([\d.]+) seconds/.exec(text)?.[1];
  return new MayflyError(
    "TASK_FAILED",
    seconds === undefined
      ? `ended with its Lambda instance: ${text}`
      : `took longer than the ${seconds} s that Lambda function ${functionName} is configured for`,
  );
}
