import { generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createFleetKeys,
  exportPrivateKey,
  exportPublicKey,
  fleetIdOf,
  importPrivateKey,
  importPublicKey,
  signToken,
  type TokenClaims,
  tokenChars,
  verifyToken,
} from "../../src/auth/token.ts";
import { seededRng } from "../../src/clock.ts";

const keys = createFleetKeys(seededRng(1));
const id = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const expiresAtMs = fc.integer({ min: 1, max: 2 ** 48 - 1 });
const anyClaims: fc.Arbitrary<TokenClaims> = fc.oneof(
  fc.record({ scope: fc.constant("job" as const), job: id, node: fc.constant(0), expiresAtMs }),
  fc.record({ scope: fc.constant("fleet" as const), job: fc.constant(0), node: id, expiresAtMs }),
);
const claims: TokenClaims = { scope: "job", job: 7, node: 0, expiresAtMs: 10_000 };
const invalid = expect.objectContaining({ code: "TOKEN_INVALID" });

test("a token carries its claims until it expires", () => {
  fc.assert(
    fc.property(anyClaims, (given) => {
      const text = signToken(keys.privateKey, given);
      expect(text.length).toBe(tokenChars);
      expect(text.length).toBeLessThan(130);
      expect(verifyToken(keys.publicKey, text, given.expiresAtMs - 1)).toEqual(given);
      const late = () => verifyToken(keys.publicKey, text, given.expiresAtMs);
      expect(late).toThrow(expect.objectContaining({ code: "TOKEN_EXPIRED" }));
    }),
  );
});

test("an expired token says when it expired and how to get a new one", () => {
  const text = signToken(keys.privateKey, claims);
  expect(() => verifyToken(keys.publicKey, text, 99_999)).toThrow(/1970-01-01T00:00:10.*mayfly job ticket 7/);
});

test("changing any character makes a token invalid", () => {
  const text = signToken(keys.privateKey, claims);
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === "B" ? "C" : "B";
    const changed = text.slice(0, at) + other + text.slice(at + 1);
    expect(() => verifyToken(keys.publicKey, changed, 0), `changed at ${at}`).toThrow(invalid);
  }
});

test("what is no token at all is invalid, and is not repeated in the message", () => {
  const text = signToken(keys.privateKey, claims);
  for (const wrong of [
    "",
    "x",
    text.slice(0, -1),
    `${text}A`,
    `${text.slice(0, -1)}=`,
    `${text.slice(0, -1)}\n`,
  ]) {
    expect(() => verifyToken(keys.publicKey, wrong, 0)).toThrow(invalid);
  }
  expect(() => verifyToken(keys.publicKey, `${text}A`, 0)).not.toThrow(text);
});

test("another fleet's token is invalid", () => {
  const text = signToken(createFleetKeys(seededRng(2)).privateKey, claims);
  expect(() => verifyToken(keys.publicKey, text, 0)).toThrow(/not of this fleet's key/);
});

test("a signature over the bare claims is no token", () => {
  const token = Buffer.from(signToken(keys.privateKey, claims).slice(5), "base64url");
  const payload = token.subarray(0, 15);
  const forged = Buffer.concat([payload, sign(null, payload, keys.privateKey)]).toString("base64url");
  expect(() => verifyToken(keys.publicKey, `mft1.${forged}`, 0)).toThrow(invalid);
});

test("keys survive export and import", () => {
  const again = importPrivateKey(exportPrivateKey(keys.privateKey));
  const text = signToken(again.privateKey, claims);
  expect(verifyToken(importPublicKey(exportPublicKey(keys.publicKey)), text, 0)).toEqual(claims);
  expect(exportPublicKey(again.publicKey)).toBe(exportPublicKey(keys.publicKey));
});

test("fresh keys differ", () => {
  expect(exportPublicKey(createFleetKeys().publicKey)).not.toBe(exportPublicKey(createFleetKeys().publicKey));
});

test("what is no Ed25519 key is refused", () => {
  const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
  expect(() => importPublicKey("")).toThrow(refused);
  expect(() => importPrivateKey("bm8ga2V5")).toThrow(refused);
  const { publicKey } = generateKeyPairSync("x25519");
  const spki = publicKey.export({ format: "der", type: "spki" }).toString("base64");
  expect(() => importPublicKey(spki)).toThrow(/no Ed25519 key/);
});

test("claims that no token can carry are a programmer's mistake", () => {
  expect(() => signToken(keys.privateKey, { ...claims, job: 0 })).toThrow(RangeError);
  expect(() => signToken(keys.privateKey, { ...claims, node: 3 })).toThrow(RangeError);
  expect(() => signToken(keys.privateKey, { ...claims, expiresAtMs: 2 ** 48 })).toThrow(RangeError);
});

test("a fleet is named by its key, and keeps its name as long as the key", () => {
  const again = importPublicKey(exportPublicKey(keys.publicKey));
  expect(fleetIdOf(again)).toMatch(/^[0-9a-f]{16}$/);
  expect(fleetIdOf(again)).toBe(fleetIdOf(keys.publicKey));
  expect(fleetIdOf(createFleetKeys().publicKey)).not.toBe(fleetIdOf(keys.publicKey));
});
