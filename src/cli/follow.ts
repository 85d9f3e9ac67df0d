/** Follows something that goes on in the fleet until it is done: one line of progress, as of a bar, and no lost patience. */
import { type Clock, sleep } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { printable, textWidth } from "./table.ts";
import type { OutputStream } from "./verb.ts";

export interface FollowOptions<State> {
  readonly stream: OutputStream;
  readonly clock: Clock;
  /** Otherwise nothing is printed. */
  readonly enabled: boolean;
  readonly first: State;
  /** @throws MayflyError; while the controller is away it is asked again */
  readonly poll: () => Promise<State>;
  readonly describe: (state: State) => string;
  /** @throws MayflyError when it cannot be done any more */
  readonly isDone: (state: State) => boolean;
}

const pollMs = 200;
const lineMs = 2000;
/** A controller that restarts is back by then. */
const awayMsMax = 30_000;
const columnsDefault = 80;

/** Resolves to the state in which it is done. On a terminal the line is redrawn in place; elsewhere it is printed now and then. */
export async function follow<State>(options: FollowOptions<State>): Promise<State> {
  const { clock, first, isDone } = options;
  const line = createLine(options);
  try {
    let state = first;
    while (!isDone(state)) {
      line.show(options.describe(state), false);
      await sleep(clock, pollMs);
      state = await pollPatiently(options);
    }
    line.show(options.describe(state), true);
    return state;
  } finally {
    line.end();
  }
}

async function pollPatiently<State>({ clock, poll }: FollowOptions<State>): Promise<State> {
  const untilMs = clock.now() + awayMsMax;
  for (;;) {
    try {
      return await poll();
    } catch (thrown) {
      const { code } = MayflyError.from(thrown);
      const isAway = code === "CONTROLLER_UNREACHABLE" || code === "UNAVAILABLE";
      if (!isAway || clock.now() >= untilMs) throw thrown;
      await sleep(clock, pollMs);
    }
  }
}

interface Line {
  show(text: string, last: boolean): void;
  /** Leaves what is shown standing. */
  end(): void;
}

function createLine({
  stream,
  clock,
  enabled,
}: Pick<FollowOptions<unknown>, "stream" | "clock" | "enabled">): Line {
  const inPlace = stream.isTTY === true;
  let shown = "";
  let shownAtMs = Number.NEGATIVE_INFINITY;
  let isOpen = false;
  return {
    show(text, last) {
      const nowMs = clock.now();
      if (!enabled || text === shown) return;
      if (!inPlace && !last && nowMs - shownAtMs < lineMs) return;
      [shown, shownAtMs] = [text, nowMs];
      const safe = printable(text);
      if (!inPlace) return void stream.write(`${safe}\n`);
      const columns = (stream.columns ?? columnsDefault) - 1;
      stream.write(`\r\x1b[K${textWidth(safe) <= columns ? safe : `${safe.slice(0, columns - 1)}…`}`);
      isOpen = true;
    },
    end() {
      if (isOpen) stream.write("\n");
      isOpen = false;
    },
  };
}
