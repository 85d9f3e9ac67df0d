/** Options of verbs: how their text becomes a value. */
import { UsageError } from "./usage-error.ts";

/** Reads the text of an option; `what` names it in messages ("--memory"). @throws MayflyError */
export type Parse<Value> = (text: string, what: string) => Value;

export interface OptionInit<Value> {
  /** Stands for the value in help, like SIZE. */
  readonly value: string;
  readonly help: string;
  readonly parse: Parse<Value>;
  /** One letter. */
  readonly short?: string;
  /** Taken, and parsed, when the option is absent. */
  readonly default?: string;
  /** For help: a default that is computed. */
  readonly defaultNote?: string;
  /** Environment variable that stands in for an absent option. */
  readonly env?: string;
}

export interface Option<Value> extends Omit<OptionInit<Value>, "value" | "parse"> {
  /** Absent for a flag, which takes no value. */
  readonly value?: string;
  /** The value for its text; for a flag `text` is undefined unless it was given. */
  read(text: string | undefined, what: string): Value;
}

/** An option with a value; undefined when it is absent and has no default. */
export function option<Value>(init: OptionInit<Value> & { readonly default: string }): Option<Value>;
export function option<Value>(init: OptionInit<Value>): Option<Value | undefined>;
export function option<Value>({ parse, ...rest }: OptionInit<Value>): Option<Value | undefined> {
  return {
    ...rest,
    read(text, what) {
      const found = text ?? rest.default;
      return found === undefined ? undefined : parse(found, what);
    },
  };
}

/** An option without a value: true when it is given. */
export function flag(help: string, short?: string): Option<boolean> {
  return { help, ...(short !== undefined && { short }), read: (text) => text !== undefined };
}

export const parseText: Parse<string> = (text) => text;

/** Whole numbers from `min` to `max`. */
export function parseCount(min: number, max: number): Parse<number> {
  return (text, what) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UsageError(`${what} is ${JSON.stringify(text)}; it takes a whole number from ${min} to ${max}`);
  };
}

/** A share of a whole, from 0 to 1. */
export const parseShare: Parse<number> = (text, what) => {
  const value = /^\d{0,9}(\.\d{1,9})?$/.test(text) && text !== "" ? Number(text) : Number.NaN;
  if (value <= 1) return value;
  throw new UsageError(`${what} is ${JSON.stringify(text)}; it takes a number from 0 to 1, for example 0.2`);
};

/** One of some words. */
export function parseChoice<const Word extends string>(words: readonly Word[]): Parse<Word> {
  return (text, what) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new UsageError(`${what} is ${JSON.stringify(text)}; it takes ${words.join(" or ")}`);
  };
}
