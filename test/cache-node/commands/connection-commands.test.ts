import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RespError, RespMap, type RespValue, respText } from "../../../src/wire/resp-value.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { errorPrefix, RawClient } from "../../support/raw-client.ts";

let fleet: InProcessFleet;
let job: number;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 1 });
  job = (await fleet.createJob()).job.job;
});
afterAll(() => fleet.stop());

const open = (): Promise<RawClient> => RawClient.open(fleet.nodes[0]!);

/** Flat pairs of RESP2 and maps of RESP3 as one thing. */
function pairs(reply: RespValue): Map<string, RespValue> {
  const items = reply instanceof RespMap ? reply.items : (reply as RespValue[]);
  return new Map(
    Array.from({ length: items.length / 2 }, (_, i) => [respText(items[2 * i])!, items[2 * i + 1]!]),
  );
}

describe("HELLO", () => {
  test.each([2, 3])("%i switches the protocol and says who answers", async (protocol) => {
    const client = await open();
    const reply = await client.send("HELLO", protocol);
    expect(reply instanceof RespMap).toBe(protocol === 3);
    const facts = pairs(reply);
    expect(respText(facts.get("server"))).toBe("redis");
    expect(respText(facts.get("role"))).toBe("master");
    expect(facts.get("proto")).toBe(protocol);
    expect(facts.get("modules")).toEqual([]);
  });

  test("without arguments tells the protocol in use, which is 2 at first", async () => {
    const client = await open();
    expect(pairs(await client.send("HELLO")).get("proto")).toBe(2);
    await client.send("HELLO", 3);
    expect(pairs(await client.send("hello")).get("proto")).toBe(3);
  });

  test("with a version that nobody speaks is NOPROTO, and changes nothing", async () => {
    const client = await open();
    expect(errorPrefix(await client.send("HELLO", 4))).toBe("NOPROTO");
    expect(errorPrefix(await client.send("HELLO", "x"))).toBe("NOPROTO");
    expect(pairs(await client.send("HELLO")).get("proto")).toBe(2);
  });

  test("authenticates and names the connection in the same step", async () => {
    const client = await open();
    const reply = await client.send("HELLO", 3, "AUTH", job, fleet.jobToken(job), "SETNAME", "mapper-7");
    expect(pairs(reply).get("proto")).toBe(3);
    expect(respText(await client.send("CLIENT", "GETNAME"))).toBe("mapper-7");
    expect(errorPrefix(await client.tagged("MF.CELL.GET", "0.0", 0, "k"))).toBeUndefined();
  });

  test("with a bad token changes nothing at all", async () => {
    const client = await open();
    const reply = await client.send("HELLO", 3, "SETNAME", "x", "AUTH", job, "mft1.bad");
    expect(errorPrefix(reply)).toBe("WRONGPASS");
    expect(pairs(await client.send("HELLO")).get("proto")).toBe(2);
    expect(await client.send("CLIENT", "GETNAME")).toBeNull();
  });

  test.each([
    ["HELLO", 3, "AUTH", "7"],
    ["HELLO", 3, "SETNAME"],
    ["HELLO", 3, "NONSENSE"],
  ])("%s %i %s is a syntax error", async (...args) => {
    const reply = await (await open()).send(...args);
    expect(reply).toMatchObject({ line: expect.stringMatching(/^ERR Syntax error in HELLO/) });
  });
});

describe("AUTH", () => {
  test("takes job and token, or the token alone, or the user that Redis calls default", async () => {
    for (const user of [[String(job)], [], ["default"]]) {
      const client = await open();
      await client.send("HELLO", 3);
      expect(errorPrefix(await client.tagged("MF.CELL.GET", "0.0", 0, "k"))).toBe("NOAUTH");
      expect(await client.send("AUTH", ...user, fleet.jobToken(job))).toBe("OK");
      expect(await client.tagged("MF.CELL.GET", "0.0", 0, "k")).toBeNull();
    }
  });

  test("refuses what is no token of this fleet, of another job, or over", async () => {
    const client = await open();
    const token = fleet.jobToken(job);
    expect(errorPrefix(await client.send("AUTH", "secret"))).toBe("WRONGPASS");
    const forged = `${token.slice(0, -3)}${token.endsWith("AAA") ? "BBB" : "AAA"}`;
    expect(errorPrefix(await client.send("AUTH", job, forged))).toBe("WRONGPASS");
    expect(errorPrefix(await client.send("AUTH", job + 1, token))).toBe("WRONGPASS");
    expect(errorPrefix(await client.send("AUTH", job, fleet.jobToken(job, -1)))).toBe("TOKENEXPIRED");
    const reply = (await client.send("AUTH", job, fleet.jobToken(job, -1))) as RespError;
    expect(reply.line).not.toContain(token.slice(5, 40));
  });

  test("that fails leaves an earlier one in force", async () => {
    const client = await open();
    await client.send("HELLO", 3, "AUTH", job, fleet.jobToken(job));
    expect(errorPrefix(await client.send("AUTH", job, "nonsense"))).toBe("WRONGPASS");
    expect(await client.tagged("MF.CELL.GET", "0.0", 0, "k")).toBeNull();
  });

  test("ends with the token: a connection outlives it, its rights do not", async () => {
    const client = await open();
    const ttlMs = 300;
    await client.send("HELLO", 3, "AUTH", job, fleet.jobToken(job, ttlMs));
    expect(await client.tagged("MF.CELL.GET", "0.0", 0, "k")).toBeNull();
    let reply: RespValue = null;
    const untilMs = performance.now() + 10_000;
    while (reply === null && performance.now() < untilMs) {
      reply = await client.tagged("MF.CELL.GET", "0.0", 20, "k");
    }
    expect(errorPrefix(reply)).toBe("TOKENEXPIRED");
    expect(await client.send("PING")).toBe("PONG");
  });
});

describe("PING, ECHO, SELECT", () => {
  test("answer as Redis does", async () => {
    const client = await open();
    expect(await client.send("PING")).toBe("PONG");
    expect(respText(await client.send("ping", "hello\r\n"))).toBe("hello\r\n");
    expect(await client.send("ECHO", Uint8Array.of(0, 255, 13, 10))).toEqual(Buffer.from([0, 255, 13, 10]));
    expect(await client.send("SELECT", 0)).toBe("OK");
    expect(errorPrefix(await client.send("SELECT", 1))).toBe("ERR");
  });
});

describe("CLIENT", () => {
  test("names connections and tells their ids", async () => {
    const [one, two] = [await open(), await open()];
    expect(await one.send("CLIENT", "GETNAME")).toBeNull();
    expect(await one.send("CLIENT", "SETNAME", "one")).toBe("OK");
    expect(respText(await one.send("CLIENT", "GETNAME"))).toBe("one");
    expect(await two.send("CLIENT", "GETNAME")).toBeNull();
    const ids = [await one.send("CLIENT", "ID"), await two.send("CLIENT", "ID")] as number[];
    expect(ids[0]).not.toBe(ids[1]);
    expect(respText(await one.send("CLIENT", "INFO"))).toMatch(
      new RegExp(`^id=${ids[0]} name=one resp=2\n$`),
    );
    expect(await one.send("CLIENT", "SETNAME", "")).toBe("OK");
    expect(await one.send("CLIENT", "GETNAME")).toBeNull();
  });

  test("takes what client libraries send unasked", async () => {
    const client = await open();
    for (const args of [
      ["SETINFO", "LIB-NAME", "x"],
      ["NO-EVICT", "on"],
      ["NO-TOUCH", "on"],
    ]) {
      expect(await client.send("CLIENT", ...args)).toBe("OK");
    }
    expect(errorPrefix(await client.send("CLIENT", "KILL", "x"))).toBe("UNKNOWNCMD");
  });

  test("refuses names that could not be shown", async () => {
    const client = await open();
    for (const name of ["two words", "line\nbreak", "ünïcode", "x".repeat(1025)]) {
      expect(errorPrefix(await client.send("CLIENT", "SETNAME", name))).toBe("ERR");
      expect(errorPrefix(await client.send("HELLO", 2, "SETNAME", name))).toBe("ERR");
    }
    expect(await client.send("CLIENT", "GETNAME")).toBeNull();
  });
});

describe("QUIT", () => {
  test("answers and closes, and what follows it is not carried out", async () => {
    const client = await open();
    client.writeRaw("PING\r\nQUIT\r\nCLIENT SETNAME late\r\nPING\r\n");
    expect(await client.next()).toBe("PONG");
    expect(await client.next()).toBe("OK");
    await expect(client.next()).rejects.toThrow(/closed/);
  });
});
