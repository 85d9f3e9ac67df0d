/**
 * Names in the object store of what belongs to a fleet and to none of its jobs:
 *
 * - `fleets/FLEET`: says that there is such a fleet, so that nobody has to list all objects to find it.
 * - `FLEET/state/term-T`: the claim of a controller to a term. `FLEET/state/T-N`: the state of the fleet, newest last.
 * - `FLEET/sleep/TOKEN/node-ID`: what the cells of a sleeping fleet held.
 */
import { formatEpoch, parseEpoch } from "../placement/epoch.ts";
import type { Epoch } from "../placement/types.ts";

export const fleetsPrefix = "fleets/";
const fleetPattern = /^fleets\/([0-9a-f]{16})$/;
const digits = 10;

export function fleetMarkName(fleet: string): string {
  return fleetsPrefix + fleet;
}

/** The fleet that a mark names; undefined for other names. */
export function fleetOfMark(name: string): string | undefined {
  return fleetPattern.exec(name)?.[1];
}

/** Begins the names of all claims. */
export function termPrefix(fleet: string): string {
  return `${fleet}/state/term-`;
}

export function termName(fleet: string, term: number): string {
  return termPrefix(fleet) + padded(term);
}

/** Begins the names of all states, and of the claims. */
export function statePrefix(fleet: string): string {
  return `${fleet}/state/`;
}

/** In the order of names as in that of terms and numbers. */
export function stateName(fleet: string, term: number, number: number): string {
  return `${statePrefix(fleet)}${padded(term)}-${padded(number)}`;
}

/** What a name below `statePrefix` stands for; undefined for other names. */
export function stateOfName(
  fleet: string,
  name: string,
): { readonly term: number; readonly number: number | undefined } | undefined {
  if (!name.startsWith(statePrefix(fleet))) return undefined;
  const rest = name.slice(statePrefix(fleet).length);
  const claim = /^term-(\d{10})$/.exec(rest);
  if (claim !== null) return { term: Number(claim[1]), number: undefined };
  const state = /^(\d{10})-(\d{10})$/.exec(rest);
  return state === null ? undefined : { term: Number(state[1]), number: Number(state[2]) };
}

/** Begins the names of what was written under the token, or, without one, under any. */
export function sleepPrefix(fleet: string, token?: Epoch): string {
  return token === undefined ? `${fleet}/sleep/` : `${fleet}/sleep/${formatEpoch(token)}/`;
}

export function sleepName(fleet: string, token: Epoch, node: number): string {
  return `${sleepPrefix(fleet, token)}node-${node}`;
}

/** The token under which something was written; undefined for other names. */
export function tokenOfSleep(fleet: string, name: string): Epoch | undefined {
  const prefix = sleepPrefix(fleet);
  const token = name.startsWith(prefix) ? name.slice(prefix.length).split("/")[0] : undefined;
  return token === undefined || !/^\d{1,10}\.\d{1,10}$/.test(token) ? undefined : parseEpoch(token);
}

function padded(number: number): string {
  return String(number).padStart(digits, "0");
}
