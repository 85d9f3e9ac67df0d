import { expect, test } from "vitest";
import { errorTable, isErrorCode } from "../../../src/errors.ts";
import { startFleet } from "../test-fleet.ts";

test("every malformed request gets an error of the table, in its one shape", async () => {
  const fleet = await startFleet();
  await fleet.addNodes(1);
  const node = { host: "h", port: 1, memoryBytes: 1, pid: 1 };
  const bad: [string, string, unknown, RegExp][] = [
    ["POST", "/v1/nodes", {}, /required property/],
    ["POST", "/v1/nodes", { ...node, port: 0 }, /body\/port must be >= 1/],
    ["POST", "/v1/nodes", { ...node, port: "1" }, /body\/port must be integer/],
    ["POST", "/v1/nodes", { ...node, host: "a b" }, /body\/host must match pattern/],
    ["POST", "/v1/nodes", { ...node, host: "" }, /body\/host/],
    ["POST", "/v1/nodes", { ...node, zone: "z".repeat(256) }, /body\/zone/],
    ["POST", "/v1/nodes", [], /body must be object/],
    ["POST", "/v1/nodes/0/heartbeat", {}, /params\/id|body/],
    ["POST", "/v1/nodes/x/leave", {}, /params\/id/],
    ["POST", "/v1/jobs", { lease: 1000 }, /additional properties/],
    ["POST", "/v1/jobs", { leaseMs: 999 }, /body\/leaseMs must be >= 1000/],
    ["POST", "/v1/jobs", { name: "" }, /body\/name/],
    ["POST", "/v1/jobs", { hints: { prefer: "speed" } }, /body\/hints\/prefer/],
    ["POST", "/v1/jobs", { code: { d: 1.5, p: 1 } }, /body\/code\/d must be integer/],
    ["POST", "/v1/jobs", { quotaBytes: -1 }, /body\/quotaBytes/],
    ["GET", "/v1/jobs/1x", undefined, /params\/job/],
    ["GET", "/v1/jobs/%zz", undefined, /%zz/],
    ["GET", "/v1/map?after=1", undefined, /term\.n/],
  ];
  for (const [method, path, body, message] of bad) {
    const answer = await fleet.call(method, path, body);
    const what = `${method} ${path} ${JSON.stringify(body)}`;
    expect(answer.status, what).toBe(400);
    expect(answer.body, what).toEqual({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
  }
});

test("a newer node may say more than this controller knows", async () => {
  const fleet = await startFleet();
  const node = { host: "h", port: 1, memoryBytes: 1, pid: 1, kernel: "6.1" };
  expect((await fleet.call("POST", "/v1/nodes", node)).status).toBe(200);
});

test("what is no JSON, has another type, or is too long says so", async () => {
  const fleet = await startFleet();
  const post = async (body: string, type: string) => {
    const response = await fetch(`${fleet.controller.url}/v1/jobs`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    return { status: response.status, ...((await response.json()) as { code: string; message: string }) };
  };
  expect(await post("{", "application/json")).toMatchObject({ status: 400, code: "INVALID_ARGUMENT" });
  expect(await post('{"__proto__":{}}', "application/json")).toMatchObject({ status: 400 });
  expect(await post("a=b", "application/x-www-form-urlencoded")).toMatchObject({
    status: 400,
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("application/json"),
  });
  expect(await post(`"${"x".repeat(1024 * 1024)}"`, "application/json")).toMatchObject({
    status: 413,
    code: "TOO_LARGE",
    message: expect.stringContaining("1048576"),
  });
});

test("an empty body is a request with nothing in it", async () => {
  const fleet = await startFleet();
  await fleet.addNodes(1);
  await fleet.createJob();
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${fleet.controller.url}/v1/jobs/1/extend`, { method: "POST", headers });
  expect(response.status).toBe(200);
});

test("a route that is none says where the routes are listed", async () => {
  const fleet = await startFleet();
  const body = { code: "UNKNOWN_COMMAND", message: expect.stringContaining("/openapi.json") };
  expect(await fleet.call("GET", "/v2/jobs")).toMatchObject({ status: 404, body });
  expect(await fleet.call("PUT", "/v1/jobs", {})).toMatchObject({ status: 404, body });
});

test("the published document has every route, with its errors", async () => {
  const fleet = await startFleet();
  interface Operation {
    summary?: string;
    responses: Record<string, unknown>;
  }
  const document = await fleet.ok<{ openapi: string; paths: Record<string, Record<string, Operation>> }>(
    "GET",
    "/openapi.json",
  );
  const listed = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(listed.sort()).toEqual([
    "DELETE /v1/jobs/{job}",
    "GET /v1/health",
    "GET /v1/hibernation",
    "GET /v1/jobs",
    "GET /v1/jobs/{job}",
    "GET /v1/map",
    "GET /v1/nodes/{id}",
    "GET /v1/nodes/{id}/watch",
    "GET /v1/restart",
    "GET /v1/scale",
    "GET /v1/status",
    "GET /v1/ticket",
    "POST /v1/hibernate",
    "POST /v1/jobs",
    "POST /v1/jobs/{job}/extend",
    "POST /v1/jobs/{job}/ticket",
    "POST /v1/nodes",
    "POST /v1/nodes/{id}/drain",
    "POST /v1/nodes/{id}/drain/cancel",
    "POST /v1/nodes/{id}/heartbeat",
    "POST /v1/nodes/{id}/leave",
    "POST /v1/restart",
    "POST /v1/scale",
    "POST /v1/wake",
  ]);
  for (const operation of Object.values(document.paths).flatMap((operations) => Object.values(operations))) {
    expect(operation.summary).toBeTruthy();
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["200", "default"]));
  }
});

test("statuses are those of the error table", async () => {
  const fleet = await startFleet();
  for (const [method, path] of [
    ["GET", "/v1/jobs/5"],
    ["GET", "/nothing"],
    ["POST", "/v1/jobs"],
    ["GET", "/v1/ticket"],
  ] as const) {
    const { status, body } = await fleet.call(method, path);
    const { code } = body as { code: string };
    expect(isErrorCode(code) && errorTable[code].http).toBe(status);
  }
});
