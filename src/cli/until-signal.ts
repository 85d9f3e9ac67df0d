export interface EndSignal {
  readonly promise: Promise<void>;
  /** Whether it has come. */
  readonly given: boolean;
}

/** The first SIGINT or SIGTERM from now on; a second one ends the process at once. */
export function untilSignal(): EndSignal {
  let given = false;
  const promise = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        given = true;
        resolve();
      });
    }
  });
  return {
    promise,
    get given() {
      return given;
    },
  };
}
