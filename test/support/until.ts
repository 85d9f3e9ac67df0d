/** Waiting for a condition, with a deadline: what tests do instead of sleeping. */

const intervalMs = 20;
const withinMsDefault = 15_000;

/** Resolves when `holds` is true; a condition that throws does not hold yet. Rejects after `withinMs`, saying why. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs: number = withinMsDefault,
): Promise<void> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    let last: unknown;
    try {
      if (await holds()) return;
    } catch (thrown) {
      last = thrown;
    }
    if (performance.now() >= untilMs) {
      throw new Error(`It did not come to pass within ${withinMs} ms that ${what}.`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
