/**
 * Progress bars for standard error. On a terminal the bars are redrawn in place, one line each; elsewhere each bar prints
 * a line now and then, so that a log stays readable.
 */
import type { Clock } from "../clock.ts";
import { formatBytes, formatDuration, formatRate } from "./sizes.ts";
import { textWidth } from "./table.ts";
import type { OutputStream } from "./verb.ts";

export interface ProgressOptions {
  /** Otherwise nothing is printed at all. */
  readonly enabled: boolean;
  readonly clock: Clock;
  /** What takes less is not worth a line; 0 by default. */
  readonly showAfterMs?: number;
}

export interface BarOptions {
  readonly label: string;
  /** Undefined when nobody knows: then there is no percentage and no ETA. */
  readonly totalBytes: number | undefined;
}

export interface Bar {
  /** @param doneBytes of all so far, not since the last call */
  update(doneBytes: number): void;
  /** The last state of this bar; on a non-terminal its last line. To finish twice does nothing. */
  finish(): void;
}

export interface Progress {
  bar(options: BarOptions): Bar;
  /** A line that stays, above the bars. */
  log(line: string): void;
  /** Draws all bars a last time and leaves them standing. */
  close(): void;
}

const redrawMs = 100;
const lineMs = 2000;
/** Rates are of this long a past, so that the ETA follows changes. */
const windowMs = 5000;
const barChars = 24;
const columnsDefault = 80;

interface BarState {
  readonly label: string;
  readonly totalBytes: number | undefined;
  readonly startMs: number;
  /** Past updates, oldest first; the first is the newest that is older than the window. */
  readonly samples: { readonly atMs: number; readonly bytes: number }[];
  doneBytes: number;
  finishedMs: number | undefined;
  printedMs: number;
}

export function createProgress(
  stream: OutputStream,
  { enabled, clock, showAfterMs = 0 }: ProgressOptions,
): Progress {
  const bars: BarState[] = [];
  const inPlace = stream.isTTY === true;
  const showFromMs = clock.now() + showAfterMs;
  let linesDrawn = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let closed = false;

  function draw(): void {
    drawnMs = clock.now();
    const columns = stream.columns ?? columnsDefault;
    const labelWidth = Math.max(...bars.map((bar) => textWidth(bar.label)));
    const lines = bars.map((bar) => cut(describe(bar, drawnMs, labelWidth, true), columns - 1));
    stream.write(erase() + lines.map((line) => `${line}\n`).join(""));
    linesDrawn = lines.length;
  }

  /** Back to the first bar's line, and clear to the end of the screen. */
  function erase(): string {
    return linesDrawn === 0 ? "" : `\x1b[${linesDrawn}F\x1b[0J`;
  }

  function show(bar: BarState, last: boolean): void {
    if (!enabled || closed) return;
    const nowMs = clock.now();
    if (nowMs < showFromMs) return;
    if (inPlace) {
      if (last || nowMs - drawnMs >= redrawMs) draw();
    } else if (last || nowMs - bar.printedMs >= lineMs) {
      bar.printedMs = nowMs;
      stream.write(`${describe(bar, nowMs, 0, false)}\n`);
    }
  }

  return {
    bar({ label, totalBytes }) {
      const startMs = clock.now();
      const state: BarState = {
        ...{ label, totalBytes, startMs, samples: [{ atMs: startMs, bytes: 0 }] },
        ...{ doneBytes: 0, finishedMs: undefined, printedMs: startMs },
      };
      bars.push(state);
      return {
        update(doneBytes) {
          state.doneBytes = doneBytes;
          remember(state, clock.now());
          show(state, false);
        },
        finish() {
          if (state.finishedMs !== undefined) return;
          state.finishedMs = clock.now();
          show(state, true);
        },
      };
    },
    log(line) {
      if (!enabled) return;
      const above = inPlace ? erase() : "";
      stream.write(`${above}${line}\n`);
      linesDrawn = 0;
      if (inPlace && bars.length > 0 && !closed) draw();
    },
    close() {
      if (enabled && inPlace && bars.length > 0 && !closed && clock.now() >= showFromMs) draw();
      closed = true;
    },
  };
}

function remember(bar: BarState, nowMs: number): void {
  const { samples } = bar;
  // Close samples would only make the list long.
  if (nowMs - samples.at(-1)!.atMs >= redrawMs) samples.push({ atMs: nowMs, bytes: bar.doneBytes });
  while (samples.length > 2 && samples[1]!.atMs <= nowMs - windowMs) samples.shift();
}

function describe(bar: BarState, nowMs: number, labelWidth: number, graphic: boolean): string {
  const { label, totalBytes, doneBytes, finishedMs } = bar;
  const share =
    totalBytes === undefined ? undefined : Math.min(1, totalBytes === 0 ? 1 : doneBytes / totalBytes);
  const parts = [label + " ".repeat(Math.max(0, labelWidth - textWidth(label)))];
  if (share !== undefined) {
    const filled = Math.round(share * barChars);
    if (graphic) parts.push(`[${"=".repeat(filled)}${" ".repeat(barChars - filled)}]`);
    parts.push(`${String(Math.floor(share * 100)).padStart(graphic ? 3 : 0)}%`);
  }
  const done = formatBytes(doneBytes, "decimal");
  parts.push(totalBytes === undefined ? done : `${done} of ${formatBytes(totalBytes, "decimal")}`);
  const bytesPerSecond = rateOf(bar, nowMs);
  if (bytesPerSecond > 0) parts.push(formatRate(bytesPerSecond));
  if (finishedMs !== undefined) parts.push(`in ${formatDuration(finishedMs - bar.startMs)}`);
  else if (totalBytes !== undefined && bytesPerSecond > 0) {
    parts.push(`ETA ${formatDuration((Math.max(0, totalBytes - doneBytes) / bytesPerSecond) * 1000)}`);
  }
  return parts.join("  ");
}

/** Of the last seconds; of all the time once it is finished. */
function rateOf(bar: BarState, nowMs: number): number {
  const first = bar.finishedMs === undefined ? bar.samples[0]! : { atMs: bar.startMs, bytes: 0 };
  const elapsedMs = (bar.finishedMs ?? nowMs) - first.atMs;
  return elapsedMs > 0 ? ((bar.doneBytes - first.bytes) / elapsedMs) * 1000 : 0;
}

/** A line that wraps could not be redrawn. */
function cut(line: string, columns: number): string {
  if (textWidth(line) <= columns) return line;
  let width = 0;
  let kept = "";
  for (const char of line) {
    width += textWidth(char);
    if (width > columns) break;
    kept += char;
  }
  return kept;
}
