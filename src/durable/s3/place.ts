/** Where a store of S3 is: what its URL says. */
import { MayflyError } from "../../errors.ts";

export interface S3Place {
  readonly bucket: string;
  /** What the names of its objects begin with, with a slash at the end; "" for the whole bucket. */
  readonly prefix: string;
  /** Of another server than AWS's; with it, buckets are paths of the address. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

const bucketName = /^[a-zA-Z0-9][a-zA-Z0-9._-]{1,254}$/;
const regionName = /^[a-z0-9-]{1,64}$/i;
const prefixBytesMax = 512;

/** @throws MayflyError INVALID_ARGUMENT that names the part of the URL */
export function s3PlaceOf(url: URL): S3Place {
  const fail = (why: string): never => {
    const shown = `s3://${url.host}${url.pathname}`.slice(0, 200);
    throw new MayflyError("INVALID_ARGUMENT", `The object store ${shown} cannot be opened: ${why}.`);
  };
  if (url.username !== "" || url.password !== "") {
    fail(
      "credentials do not belong into its URL; the AWS SDK finds them in the environment, files and roles",
    );
  }
  // A port can only be that of an endpoint.
  if (!bucketName.test(url.host)) fail(`${JSON.stringify(url.host)} is no name of a bucket`);
  for (const key of url.searchParams.keys()) {
    if (key !== "endpoint" && key !== "region")
      fail(`it has no parameter ${JSON.stringify(key)}, only endpoint and region`);
  }
  const path = decoded(url.pathname) ?? fail("its path is not percent-encoded UTF-8");
  const prefix = path.replace(/^\/+|\/+$/g, "");
  const segments = prefix === "" ? [] : prefix.split("/");
  if (segments.some((each) => each === "" || each === "." || each === ".."))
    fail("its path has an empty, . or .. segment");
  if (Buffer.byteLength(prefix) > prefixBytesMax) fail(`its path is longer than ${prefixBytesMax} bytes`);
  const endpoint = url.searchParams.get("endpoint") ?? undefined;
  if (endpoint !== undefined) checkEndpoint(endpoint, fail);
  const region = url.searchParams.get("region") ?? undefined;
  if (region !== undefined && !regionName.test(region)) fail(`${JSON.stringify(region)} is no region`);
  return { bucket: url.host, prefix: prefix === "" ? "" : `${prefix}/`, endpoint, region };
}

function checkEndpoint(endpoint: string, fail: (why: string) => never): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    fail(`its endpoint ${JSON.stringify(endpoint.slice(0, 200))} is no http:// or https:// address`);
  }
  if (url.username !== "" || url.password !== "") fail("credentials do not belong into its endpoint");
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** As it can be opened again. */
export function s3UrlOf({ bucket, prefix, endpoint, region }: S3Place): string {
  const path = prefix.slice(0, -1).split("/").map(encodeURIComponent).join("/");
  const parameters = [
    ...(endpoint === undefined ? [] : [`endpoint=${endpoint}`]),
    ...(region === undefined ? [] : [`region=${region}`]),
  ];
  return `s3://${bucket}/${path}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}`;
}
