import { expect, test } from "vitest";
import { storeOption } from "../../src/cli/store-option.ts";

test("S3 and folders are object stores, anything else is told what one looks like", () => {
  expect(storeOption.read("s3://bucket/prefix?region=eu-central-1", "--store")).toMatch(/^s3:/);
  expect(storeOption.read("file:///var/mayfly", "--store")).toBe("file:///var/mayfly");
  expect(storeOption.read(undefined, "--store")).toBeUndefined();
  expect(() => storeOption.read("/var/mayfly", "--store")).toThrow(/--store .*give s3:\/\/bucket/);
});
