/** Parts of the SDK that a function loads when it uses them first: a cold start does not pay for what it does not need. */

/**
 * An object whose methods load the one that does the work with their first call. Methods are asynchronous, those in `generators`
 * asynchronous generators.
 */
export function later<T extends object>(load: () => Promise<T>, generators: readonly (keyof T)[] = []): T {
  let loading: Promise<T> | undefined;
  let loaded: T | undefined;
  const work = (): Promise<T> => {
    loading ??= load().then((object) => {
      loaded = object;
      return object;
    });
    return loading;
  };
  type Method = (...args: unknown[]) => AsyncGenerator<unknown>;
  const get = (_: T, name: string | symbol): unknown => {
    // What has a `then` is taken for a promise.
    if (name === "then") return undefined;
    if (name === Symbol.asyncIterator) return () => proxy;
    const key = name as keyof T;
    const call = (object: T, args: unknown[]): AsyncGenerator<unknown> =>
      (object[key] as Method).apply(object, args);
    if (generators.includes(key)) {
      return async function* (...args: unknown[]) {
        yield* call(await work(), args);
      };
    }
    return (...args: unknown[]) =>
      loaded === undefined ? work().then((object) => call(object, args)) : call(loaded, args);
  };
  const proxy: T = new Proxy({} as T, { get });
  return proxy;
}
