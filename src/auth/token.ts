/**
 * Tokens: who may do what, signed by the fleet's Ed25519 key, so that nodes check them without asking the controller.
 * The text is "mft1." and the base64url of 79 bytes, numbers big-endian:
 *
 *      0  scope        u8   1 job, 2 fleet
 *      1  job          u32  0 with scope fleet
 *      5  node         u32  the node that speaks; 0 with scope job
 *      9  expiresAtMs  u48  since 1970; not valid from then on
 *     15  signature    64 bytes, Ed25519 over "mayfly token 1" and the 15 bytes above
 *
 * Whoever holds a token can use it: it is a secret, and error messages never repeat it.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { type Rng, systemRng } from "../clock.ts";
import { MayflyError } from "../errors.ts";

/** `job` tokens let a function use one job; `fleet` tokens let a node speak to nodes and to the controller. */
export type TokenScope = "job" | "fleet";

export interface TokenClaims {
  readonly scope: TokenScope;
  /** The job of a job token; 0 with scope fleet. */
  readonly job: number;
  /** The node of a fleet token; 0 with scope job. */
  readonly node: number;
  /** Wall clock, milliseconds since 1970, below 2^48. */
  readonly expiresAtMs: number;
}

export interface FleetKeys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const prefix = "mft1.";
const payloadBytes = 15;
const signatureBytes = 64;
/** Every token has so many characters. */
export const tokenChars = prefix.length + Math.ceil(((payloadBytes + signatureBytes) * 4) / 3);
export const expiresAtMsMax = 2 ** 48 - 1;
/** Signatures of this key for other purposes, should there be any, are no tokens. */
const domain = Buffer.from("mayfly token 1");

/** DER of a PKCS #8 Ed25519 key up to its 32-byte seed (RFC 8410, section 7). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** A new key pair. Its 32-byte seed is drawn from `rng`, so that a simulation can repeat it. */
export function createFleetKeys(rng: Rng = systemRng): FleetKeys {
  const der = Buffer.concat([pkcs8Prefix, rng.bytes(32)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** PKCS #8 DER in base64: a secret, to be kept where only the controller reads it. */
export function exportPrivateKey(key: KeyObject): string {
  return key.export({ format: "der", type: "pkcs8" }).toString("base64");
}

/** 16 hexadecimal digits that name the fleet of this key, for as long as its controller keeps the key. */
export function fleetIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex").slice(0, 16);
}

/** SPKI DER in base64, as `RegisterNodeReply.publicKey` carries it. */
export function exportPublicKey(key: KeyObject): string {
  return key.export({ format: "der", type: "spki" }).toString("base64");
}

/** Both keys from the private one. @throws MayflyError INVALID_ARGUMENT when the text is no Ed25519 key. */
export function importPrivateKey(base64: string): FleetKeys {
  const key = Buffer.from(base64, "base64");
  const privateKey = importEd25519(() => createPrivateKey({ key, format: "der", type: "pkcs8" }), "PKCS #8");
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** @throws MayflyError INVALID_ARGUMENT when the text is no Ed25519 key. */
export function importPublicKey(base64: string): KeyObject {
  const key = Buffer.from(base64, "base64");
  return importEd25519(() => createPublicKey({ key, format: "der", type: "spki" }), "SPKI");
}

function importEd25519(importKey: () => KeyObject, form: string): KeyObject {
  let key: KeyObject | undefined;
  let cause: unknown;
  try {
    key = importKey();
  } catch (thrown) {
    cause = thrown;
  }
  if (key?.asymmetricKeyType === "ed25519") return key;
  throw new MayflyError("INVALID_ARGUMENT", `this is no Ed25519 key in base64 of ${form} DER`, { cause });
}

/** @throws RangeError for claims outside the limits of the format. */
export function signToken(privateKey: KeyObject, claims: TokenClaims): string {
  const { scope, job, node, expiresAtMs } = claims;
  if ((scope === "job") !== job > 0 || (scope === "fleet") !== node > 0) {
    throw new RangeError(`a ${scope} token names a ${scope === "job" ? "job" : "node"} and nothing else`);
  }
  const payload = Buffer.alloc(payloadBytes);
  payload.writeUInt8(scope === "job" ? 1 : 2, 0);
  payload.writeUInt32BE(job, 1);
  payload.writeUInt32BE(node, 5);
  payload.writeUIntBE(Math.trunc(expiresAtMs), 9, 6);
  const signature = sign(null, Buffer.concat([domain, payload]), privateKey);
  return prefix + Buffer.concat([payload, signature]).toString("base64url");
}

/**
 * The claims of a token that `publicKey` vouches for and that has not expired.
 *
 * @throws MayflyError TOKEN_INVALID when it is no token of this fleet, TOKEN_EXPIRED when its time is over.
 */
export function verifyToken(publicKey: KeyObject, text: string, nowMs: number): TokenClaims {
  if (!text.startsWith(prefix) || text.length !== tokenChars) {
    throw invalid(`it does not have the form ${prefix}<${tokenChars - prefix.length} characters>`);
  }
  const bytes = Buffer.from(text.slice(prefix.length), "base64url");
  // base64url has spare bits and Node skips foreign characters: one token must not have two spellings.
  if (bytes.toString("base64url") !== text.slice(prefix.length)) throw invalid("it is not clean base64url");
  const payload = bytes.subarray(0, payloadBytes);
  const signature = bytes.subarray(payloadBytes);
  if (!verify(null, Buffer.concat([domain, payload]), publicKey, signature)) {
    throw invalid("its signature is not of this fleet's key");
  }
  const scope = payload.readUInt8(0) === 1 ? "job" : "fleet";
  const claims: TokenClaims = {
    scope,
    job: payload.readUInt32BE(1),
    node: payload.readUInt32BE(5),
    expiresAtMs: payload.readUIntBE(9, 6),
  };
  if (claims.expiresAtMs <= nowMs) {
    throw new MayflyError(
      "TOKEN_EXPIRED",
      `the token expired at ${new Date(claims.expiresAtMs).toISOString()}; ${renewal(claims)}`,
    );
  }
  return claims;
}

function renewal({ scope, job }: TokenClaims): string {
  return scope === "job" ? `get a new one with: mayfly job ticket ${job}` : "the node must register again";
}

function invalid(why: string): MayflyError {
  return new MayflyError(
    "TOKEN_INVALID",
    `this is no token of this fleet (${why}); get one with: mayfly job ticket <job>`,
  );
}
