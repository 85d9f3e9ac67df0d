/** The AWS SDK's client, set up so that requests are sent once, with a checksum, and nothing waits in it unseen. */
import type * as S3Sdk from "@aws-sdk/client-s3";
import { MayflyError } from "../../errors.ts";
import type { S3Place } from "./place.ts";

export type Sdk = typeof S3Sdk;

export interface S3Connection {
  readonly sdk: Sdk;
  readonly client: S3Sdk.S3Client;
}

/** Where there is no AWS, no region is meant; a signature needs one. */
const regionOfEndpoints = "us-east-1";

/** @throws MayflyError INVALID_ARGUMENT without the package, and without a region */
export async function connectS3(place: S3Place): Promise<S3Connection> {
  const sdk = await loadSdk();
  let client = newClient(sdk, place);
  try {
    await client.config.region();
  } catch (cause) {
    client.destroy();
    if (place.endpoint === undefined) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `The region of bucket ${place.bucket} is not known: add ?region=... to its URL, or set AWS_REGION.`,
        { cause },
      );
    }
    client = newClient(sdk, { ...place, region: regionOfEndpoints });
  }
  return { sdk, client };
}

function newClient({ S3Client }: Sdk, { endpoint, region }: S3Place): S3Sdk.S3Client {
  const agent = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY };
  return new S3Client({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    // What is repeated, and when, is decided by s3-requests.ts, which knows the deadline; so is how many go out at a time.
    maxAttempts: 1,
    requestHandler: { httpAgent: agent, httpsAgent: agent, requestTimeout: 0 },
    // Bodies of objects are summed by whole-checksum.ts, at a tenth of the cost; those of other requests by the SDK.
    responseChecksumValidation: "WHEN_REQUIRED",
    // Its own, which says nothing, it replaces by the console for a warning that bodies cannot be sent again.
    logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    // It would cost a connection for each put.
    expectContinueHeader: false,
  });
}

const nothing = (): void => undefined;

async function loadSdk(): Promise<Sdk> {
  try {
    return await import("@aws-sdk/client-s3");
  } catch (cause) {
    if ((cause as { readonly code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "An object store in S3 needs a package that is not installed: npm install @aws-sdk/client-s3",
      { cause },
    );
  }
}

/** A command with headers that the SDK has no field for, or must not know of. They are signed. */
export function withHeaders<C extends { readonly middlewareStack: unknown }>(
  command: C,
  headers: Readonly<Record<string, string>>,
): C {
  const stack = command.middlewareStack as {
    add(middleware: Middleware, options: { readonly step: "build"; readonly name: string }): void;
  };
  stack.add(
    (next) => (args) => {
      Object.assign(args.request.headers, headers);
      return next(args);
    },
    { step: "build", name: "addMayflyHeaders" },
  );
  return command;
}

type Middleware = (
  next: (args: HeaderArguments) => Promise<unknown>,
) => (args: HeaderArguments) => Promise<unknown>;

interface HeaderArguments {
  readonly request: { readonly headers: Record<string, string> };
}
