import http from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { ControllerLink, type ControllerLinkOptions } from "../../cache-node/controller-link.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import { type HeartbeatReply, idleHeartbeat, type RegisterNodeReply } from "../../src/wire/control-api.ts";
import { FakeClock } from "../controller/fake-clock.ts";
import { until } from "../support/until.ts";

interface Heard {
  readonly path: string;
  readonly token: string | undefined;
  readonly body: unknown;
}

type Answer = { readonly status?: number; readonly body: unknown };

/**
 * A controller that answers what the test says, and remembers what it was asked. What waits for news is answered only by
 * what the test gives to `tell`.
 */
async function startController(answer: (heard: Heard) => Answer) {
  const heard: Heard[] = [];
  const watches: string[] = [];
  const waiting: ((answer: Answer) => void)[] = [];
  const server = http.createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const token = request.headers.authorization?.replace("Bearer ", "");
    const path = request.url ?? "";
    const entry = { path, token, body: text === "" ? undefined : JSON.parse(text) };
    const isWatch = path.includes("/watch?");
    if (isWatch) watches.push(`${path} ${token}`);
    else heard.push(entry);
    const news = isWatch && new Promise<Answer>((resolve) => waiting.push(resolve));
    const { status = 200, body } = news === false ? answer(entry) : await news;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const tell = async (told: Answer): Promise<void> => {
    await until("it waits for news", () => waiting.length > 0);
    for (const resolve of waiting.splice(0)) resolve(told);
  };
  return { url: `http://127.0.0.1:${port}`, heard, watches, tell };
}

const registered: RegisterNodeReply = {
  ...{ nodeId: 7, fleetToken: "the-token", publicKey: "", heartbeatMs: 500, deadAfterMs: 2000, map: "" },
  jobs: { version: 0, highest: 0, jobs: [] },
};
const request = { host: "127.0.0.1", port: 1, memoryBytes: 1, pid: 1 };

function createLink(url: string, options: Partial<ControllerLinkOptions> = {}) {
  const clock = new FakeClock();
  const replies: HeartbeatReply[] = [];
  const state = { epoch: "1.1", declaredDead: 0, drained: 0 };
  const controller = new ControllerClient(url);
  const link = new ControllerLink({
    ...{ clock, controller },
    heartbeat: () => ({
      ...{ ...idleHeartbeat, epoch: state.epoch, jobsVersion: 0, limitBytes: 1 },
    }),
    onReply: (reply) => replies.push(reply),
    known: () => ({ epoch: state.epoch, jobsVersion: 0 }),
    onDeclaredDead: () => {
      state.declaredDead += 1;
    },
    onDrained: () => {
      state.drained += 1;
    },
    ...options,
  });
  onTestFinished(() => {
    link.stop();
    controller.close();
  });
  return { clock, link, replies, state };
}

const beats = (heard: readonly Heard[]): Heard[] => heard.filter(({ path }) => path.endsWith("/heartbeat"));

test("registers, then reports every interval and leaves, showing its token", async () => {
  const { url, heard } = await startController(({ path }) => ({
    body: path === "/v1/nodes" ? registered : {},
  }));
  const { clock, link, replies } = createLink(url);
  expect(await link.register(request)).toEqual(registered);
  expect(heard[0]).toEqual({ path: "/v1/nodes", token: undefined, body: request });
  await clock.advance(499);
  expect(heard).toHaveLength(1);
  await clock.advance(1);
  await until("it has reported", () => replies.length === 1);
  expect(heard[1]).toMatchObject({
    path: "/v1/nodes/7/heartbeat",
    token: "the-token",
    body: { epoch: "1.1" },
  });
  await clock.advance(500);
  await until("it has reported again", () => replies.length === 2);
  await link.leave();
  expect(heard.at(-1)).toMatchObject({ path: "/v1/nodes/7/leave", token: "the-token" });
  await clock.advance(5000);
  expect(beats(heard)).toHaveLength(2);
});

test("a reply that brought a newer map is followed by a report at once", async () => {
  const epochs = ["1.2", "1.3"];
  const { url, heard } = await startController(({ path }) => {
    if (path === "/v1/nodes") return { body: registered };
    return { body: epochs.length > 0 ? { map: epochs[0] } : {} };
  });
  const { clock, link, state } = createLink(url, {
    onReply: () => {
      state.epoch = epochs.shift() ?? state.epoch;
    },
  });
  await link.register(request);
  await clock.advance(500);
  await until("it has caught up", () => beats(heard).length === 3);
  expect(beats(heard).map(({ body }) => (body as { epoch: string }).epoch)).toEqual(["1.1", "1.2", "1.3"]);
  await clock.advance(500);
  await until("it goes on at its usual pace", () => beats(heard).length === 4);
});

test("a map that this node cannot take does not make it report without end", async () => {
  const { url, heard } = await startController(({ path }) => ({
    body: path === "/v1/nodes" ? registered : { map: "nonsense" },
  }));
  const { clock, link, replies } = createLink(url);
  await link.register(request);
  for (let i = 1; i <= 3; i++) {
    await clock.advance(500);
    await until("it has reported", () => replies.length === i);
  }
  expect(beats(heard)).toHaveLength(3);
});

test("a process whose first request was taken, not answered, and given up registers as another one", async () => {
  const instances: unknown[] = [];
  const controller = await startController(({ body }) => {
    instances.push((body as { instance?: string }).instance);
    const unknown = { code: "NODE_UNKNOWN", message: "this process was node 6, which is dead" };
    return instances.length < 3 ? { status: 404, body: unknown } : { body: registered };
  });
  const { link, clock } = createLink(controller.url);
  let reply: RegisterNodeReply | undefined;
  const registering = link.register({ ...request, instance: "abc" }).then((answer) => {
    reply = answer;
  });
  await until("it has registered", async () => {
    await clock.advance(100);
    return reply !== undefined;
  });
  await registering;
  link.stop();
  expect([reply!.nodeId, instances]).toEqual([7, ["abc", "abc.1", "abc.2"]]);
});

test("an unreachable controller is tried again, to register and to report", async () => {
  let away = 2;
  const { url, heard } = await startController(({ path }) => {
    if (away-- > 0) return { status: 503, body: { code: "UNAVAILABLE", message: "starting" } };
    return { body: path === "/v1/nodes" ? registered : {} };
  });
  const { clock, link, replies, state } = createLink(url);
  const registering = link.register(request);
  for (let tries = 1; tries <= 2; tries++) {
    await until("it has tried", () => heard.length === tries);
    await until("it tries again", async () => {
      await clock.advance(200);
      return heard.length > tries;
    });
  }
  await registering;
  away = 1;
  await clock.advance(500);
  await until("it was refused", () => beats(heard).length === 1);
  await until("it reports again", async () => {
    await clock.advance(500);
    return replies.length > 0;
  });
  expect(state.declaredDead).toBe(0);
});

test("what cannot be mended ends the registration at once", async () => {
  const refused = { status: 400, body: { code: "INVALID_ARGUMENT", message: "no such zone" } };
  const { url, heard } = await startController(() => refused);
  await expect(createLink(url).link.register(request)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(heard).toHaveLength(1);
});

test("a node that was declared dead hears of it once it reports, and not after it has stopped", async () => {
  const gone = { status: 404, body: { code: "NODE_UNKNOWN", message: "dead" } };
  const { url } = await startController(({ path }) => (path === "/v1/nodes" ? { body: registered } : gone));
  const { clock, link, state } = createLink(url);
  await link.register(request);
  await clock.advance(500);
  await until("it has heard", () => state.declaredDead === 1);
  link.stop();
  await clock.advance(5000);
  expect(state.declaredDead).toBe(1);
});

describe("news", () => {
  const register = (): Answer => ({ body: registered });
  const plain = ({ path }: Heard): Answer => (path === "/v1/nodes" ? register() : { body: {} });

  test("are waited for from the beginning, one request at a time, and are taken when they come", async () => {
    const { url, heard, watches, tell } = await startController(plain);
    const replies: HeartbeatReply[] = [];
    const { clock, link, state } = createLink(url, {
      onReply: (reply) => {
        replies.push(reply);
        if (reply.map !== undefined) state.epoch = "1.2";
      },
    });
    await link.register(request);
    await until("it waits", () => watches.length === 1);
    expect(watches).toEqual(["/v1/nodes/7/watch?epoch=1.1&jobs=0&waitMs=10000 the-token"]);
    await tell({ body: { map: "newer" } });
    await until("it has the map", () => replies.length === 1);
    await until("it waits again", () => watches.length === 2);
    expect(watches[1]).toMatch(/epoch=1\.2/);
    // The controller hears at once that it has the map.
    expect(beats(heard)).toHaveLength(0);
    await clock.advance(5);
    await until("it has reported", () => beats(heard).length === 1);
    expect(beats(heard)[0]!.body).toMatchObject({ epoch: "1.2" });
    await tell({ body: {} });
    await until("it waits again", () => watches.length === 3);
  });

  test("of this node's death or end are told, and then it waits for none", async () => {
    for (const [told, name] of [
      [{ status: 404, body: { code: "NODE_UNKNOWN", message: "dead" } }, "declaredDead"],
      [{ body: { drained: true } }, "drained"],
    ] as const) {
      const { url, watches, tell } = await startController(plain);
      const { clock, link, state } = createLink(url);
      await link.register(request);
      await tell(told);
      await until("it has heard", () => state[name] === 1);
      await clock.advance(100);
      expect(watches).toHaveLength(1);
      link.stop();
    }
  });

  test("are asked for again after a pause when the controller is away", async () => {
    const { url, watches, tell } = await startController(plain);
    const { clock, link } = createLink(url);
    await link.register(request);
    await tell({ status: 503, body: { code: "UNAVAILABLE", message: "starting" } });
    await until("it asks again", async () => {
      await clock.advance(100);
      return watches.length === 2;
    });
  });

  test("for the controller go in one report at once, and those that come meanwhile in the next", async () => {
    const { url, heard } = await startController(plain);
    const { clock, link } = createLink(url);
    await link.register(request);
    for (let i = 0; i < 3; i++) link.beatSoon();
    await clock.advance(5);
    link.beatSoon();
    await until("it has reported", () => beats(heard).length === 1);
    await until("it has reported again", async () => {
      await clock.advance(5);
      return beats(heard).length === 2;
    });
    await clock.advance(100);
    expect(beats(heard)).toHaveLength(2);
  });
});
