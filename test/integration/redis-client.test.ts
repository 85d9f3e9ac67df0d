/** A Redis client that knows nothing of Mayfly: what it sends on connecting works, and so do the plain commands. */
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { startFleet } from "../support/fleet.ts";

test("ioredis connects with job and token, and is refused with another's", async () => {
  const fleet = await startFleet(2);
  const { token, job } = await fleet.createJob({ code: { d: 1, p: 1 } });
  const { host, port, id } = fleet.map.nodes[0]!;
  const complaints: string[] = [];
  const connectAs = async (username: string, password: string, db = 0): Promise<Redis> => {
    const redis = new Redis({
      ...{ host, port, username, password, db, connectionName: "tester" },
      ...{ lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 },
    });
    redis.on("error", (error) => complaints.push(error.message));
    onTestFinished(() => redis.disconnect());
    await redis.connect();
    return redis;
  };
  const redis = await connectAs(String(job.job), token);
  expect(await redis.ping()).toBe("PONG");
  expect(await redis.ping("hello")).toBe("hello");
  expect(await redis.echo("\r\nbytes\u0000")).toBe("\r\nbytes\u0000");
  expect(await redis.client("GETNAME")).toBe("tester");
  expect(await redis.client("ID")).toBeGreaterThan(0);
  expect(await redis.select(0)).toBe("OK");
  const info = await redis.info();
  expect(info).toContain(`mayfly_node_id:${id}`);
  expect(await redis.info("memory")).not.toContain("mayfly_node_id");
  expect(await redis.config("GET", "maxmemory")).toEqual(["maxmemory", String(64 * 2 ** 20)]);
  expect(await redis.command("COUNT")).toBeGreaterThan(10);
  const hello = (await redis.call("HELLO", "2")) as unknown[];
  expect(hello).toEqual(expect.arrayContaining(["server", "redis", "proto", 2]));
  // Answers come in the order of the commands.
  const many = await Promise.all(Array.from({ length: 1000 }, (_, n) => redis.echo(`${n}`)));
  expect(many).toEqual(Array.from({ length: 1000 }, (_, n) => `${n}`));
  await expect(redis.call("NO.SUCH")).rejects.toThrow(/^UNKNOWNCMD unknown command 'NO.SUCH'/);
  await expect(redis.select(1)).rejects.toThrow(/^ERR DB index is out of range/);
  // The password alone names the job.
  expect(await (await connectAs("default", token)).ping()).toBe("PONG");

  for (const [user, password] of [
    [String(job.job), "wrong"],
    [String(job.job), token.replace(/.(?=.{20}$)/, (sign) => (sign === "A" ? "B" : "A"))],
    [String(job.job + 1), token],
  ] as const) {
    complaints.length = 0;
    const used = connectAs(user, password).then((client) => client.call("MF.MAP", "0", "0.0"));
    await expect(used).rejects.toThrow();
    expect(complaints.join()).toMatch(/WRONGPASS/);
  }
  expect(await redis.quit()).toBe("OK");
});
