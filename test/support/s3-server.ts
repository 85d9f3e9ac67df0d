/** A real S3 server for the tests of a file: it checks signatures and checksums. Its data are gone with it. */
import { afterAll, beforeAll, vi } from "vitest";
import { type S3Server, startS3Server } from "../../bench/peers/s3-servers.ts";

export interface TestS3 {
  /** `http://127.0.0.1:port`, once the tests run. */
  readonly endpoint: string;
  readonly bucket: string;
  /** The store's URL for a prefix that no other test uses, at the server or at another address, such as that of a faulty-s3. */
  url(prefix?: string, endpoint?: string): string;
}

const region = "us-east-1";

/**
 * Starts it before the tests of the file, on a port of the kernel's choice, and puts its credentials where the AWS SDK finds them.
 * Fails with the line to type when the server is not installed.
 */
export function useS3Server(name: "versitygw" | "minio" = "versitygw"): TestS3 {
  let server: S3Server | undefined;
  let prefixes = 0;
  beforeAll(async () => {
    const started = await startS3Server(name, false);
    if ("absent" in started) throw new Error(started.absent);
    server = started;
    vi.stubEnv("AWS_ACCESS_KEY_ID", started.place.access);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", started.place.secret);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server?.stop();
  });
  const place = (): S3Server["place"] => {
    if (server === undefined) throw new Error("the S3 server is there when the tests run, not before");
    return server.place;
  };
  return {
    get endpoint() {
      return place().url;
    },
    get bucket() {
      return place().bucket;
    },
    url(prefix = `test-${++prefixes}`, endpoint = place().url) {
      return `s3://${place().bucket}/${prefix}?endpoint=${endpoint}&region=${region}`;
    },
  };
}
