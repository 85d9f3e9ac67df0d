import fc from "fast-check";
import { expect, test } from "vitest";
import { createFleetKeys, signToken } from "../../src/auth/token.ts";
import { seededRng } from "../../src/clock.ts";
import { decodeTicket, encodeTicket } from "../../src/placement/ticket.ts";
import type { Ticket } from "../../src/placement/types.ts";

const token = signToken(createFleetKeys(seededRng(1)).privateKey, {
  scope: "job",
  job: 7,
  node: 0,
  expiresAtMs: 1_800_000_000_000,
});

const typical: Ticket = {
  seeds: [
    { host: "10.0.12.31", port: 7401 },
    { host: "10.0.12.32", port: 7401 },
    { host: "cache-3.mayfly.internal", port: 7401 },
  ],
  controllerUrl: "http://controller.mayfly.internal:7400",
  job: 7,
  code: { d: 4, p: 2 },
  token,
};

test("a typical ticket is short and comes back as it was", () => {
  const text = encodeTicket(typical);
  expect(text.startsWith("mf1.")).toBe(true);
  expect(text.length).toBeLessThan(350);
  expect(decodeTicket(text)).toEqual(typical);
  expect(decodeTicket(`  ${text}\n`)).toEqual(typical);
});

test("any ticket comes back as it was", () => {
  const port = fc.integer({ min: 0, max: 65535 });
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  const ticket = fc.record({
    seeds: fc.array(fc.record({ host, port }), { maxLength: 16 }),
    controllerUrl: fc.webUrl().filter((url) => url.length < 200),
    job: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    code: fc.record({ d: fc.integer({ min: 1, max: 250 }), p: fc.integer({ min: 0, max: 3 }) }),
    token: fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => `mft1.${Buffer.from(bytes).toString("base64url")}`),
  });
  fc.assert(
    fc.property(ticket, (t) => void expect(decodeTicket(encodeTicket(t))).toEqual(t)),
    { numRuns: 40 },
  );
});

test("a text that is no ticket says so, says where to get one, and keeps the secret", () => {
  const body = encodeTicket(typical).slice(4);
  const texts = ["", "hello", "MF1.abc", `mf1.${body}AAAA`, "mf1.", "mf1.%%%", `mf2.${body}`];
  for (const text of [...texts, `mf1.${body.slice(0, -8)}`]) {
    expect(() => decodeTicket(text), text).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => decodeTicket(text), text).toThrow(/not a ticket.*mayfly job create/);
  }
  expect(() => decodeTicket(`mf1.${body}AAAA`)).not.toThrow(body.slice(0, 40));
});

test("every way to cut a ticket short is refused", () => {
  const text = encodeTicket(typical);
  for (let length = 0; length < text.length; length++) {
    expect(() => decodeTicket(text.slice(0, length)), `cut at ${length}`).toThrow(/not a ticket/);
  }
});

test("a ticket with a job, code or URL that cannot be is refused", () => {
  const decode = (...bytes: number[]) => decodeTicket(`mf1.${Buffer.from(bytes).toString("base64url")}`);
  expect(() => decode(0, 4, 2)).toThrow(/job 0/);
  expect(() => decode(1, 0, 2)).toThrow(/at least 1 data shard/);
  expect(() => decode(1, 4, 2, 1, 0x78)).toThrow(/URL/);
});
