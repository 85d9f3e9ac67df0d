import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createProgress } from "../../src/cli/progress.ts";
import { FakeClock } from "../controller/fake-clock.ts";

function world({ isTTY = false, enabled = true, columns = 100, showAfterMs = 0 } = {}) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns });
  const clock = new FakeClock();
  const progress = createProgress(stream, { enabled, clock, showAfterMs });
  let written = "";
  const text = (): string => (written += String(stream.read() ?? ""));
  return { clock, progress, text };
}

/** What stands on a terminal: knows line ends, "up n lines" and "clear to the end", all that is used. */
function screen(text: string): string[] {
  const lines = [""];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is a terminal
  for (const [part, up] of text.matchAll(/\x1b\[(\d+)F\x1b\[0J|\n|[^\x1b\n]+/g)) {
    if (up !== undefined) lines.splice(lines.length - 1 - Number(up), Number.POSITIVE_INFINITY, "");
    else if (part === "\n") lines.push("");
    else lines[lines.length - 1] += part;
  }
  return lines.slice(0, -1);
}

test("on a terminal bars are redrawn in place, with rate and ETA", () => {
  const { clock, progress, text } = world({ isTTY: true });
  const map = progress.bar({ label: "map", totalBytes: 200e6 });
  const reduce = progress.bar({ label: "reduce", totalBytes: undefined });
  clock.freeze(1000);
  map.update(50e6);
  expect(screen(text())).toEqual([
    "map     [======                  ]   25%  50 MB of 200 MB  50 MB/s  ETA 3s",
    "reduce  0 B",
  ]);
  clock.freeze(1000);
  reduce.update(3e6);
  map.finish();
  expect(screen(text())).toEqual([
    "map     [======                  ]   25%  50 MB of 200 MB  25 MB/s  in 2s",
    "reduce  3 MB  1.5 MB/s",
  ]);
});

test("updates in quick succession draw once, and the end is drawn whatever came before", () => {
  const { clock, progress, text } = world({ isTTY: true });
  const bar = progress.bar({ label: "put", totalBytes: 1000 });
  clock.freeze(100);
  for (let done = 0; done < 1000; done++) bar.update(done);
  expect(text().split("\n")).toHaveLength(2);
  bar.update(1000);
  bar.finish();
  bar.finish();
  expect(screen(text())).toEqual(["put  [========================]  100%  1 kB of 1 kB  10 kB/s  in 100ms"]);
});

test("a rate is of the last seconds", () => {
  const { clock, progress, text } = world({ isTTY: true });
  const bar = progress.bar({ label: "get", totalBytes: undefined });
  for (let second = 1; second <= 20; second++) {
    clock.freeze(1000);
    bar.update(second <= 10 ? second * 100e6 : 1000e6 + (second - 10) * 1e6);
  }
  expect(screen(text())).toEqual(["get  1.01 GB  1 MB/s"]);
});

test("lines are cut at the width of the terminal, and log lines stay above the bars", () => {
  const { clock, progress, text } = world({ isTTY: true, columns: 20 });
  const bar = progress.bar({ label: "日本", totalBytes: 100 });
  clock.freeze(200);
  bar.update(10);
  progress.log("one");
  clock.freeze(200);
  bar.update(20);
  progress.log("two");
  expect(screen(text())).toEqual(["one", "two", "日本  [=====       "]);
  progress.close();
  bar.update(30);
  expect(screen(text())).toHaveLength(3);
});

test("elsewhere a bar prints a line every two seconds, and one at the end", () => {
  const { clock, progress, text } = world();
  const bar = progress.bar({ label: "sort", totalBytes: 100e6 });
  for (let step = 1; step <= 10; step++) {
    clock.freeze(500);
    bar.update(step * 10e6);
  }
  bar.finish();
  expect(text().split("\n")).toEqual([
    "sort  40%  40 MB of 100 MB  20 MB/s  ETA 3s",
    "sort  80%  80 MB of 100 MB  20 MB/s  ETA 1s",
    "sort  100%  100 MB of 100 MB  20 MB/s  in 5s",
    "",
  ]);
});

test("nothing is written when it is not enabled, and nothing for what is done at once", () => {
  for (const options of [{ enabled: false }, { showAfterMs: 500, isTTY: true }]) {
    const { clock, progress, text } = world(options);
    const bar = progress.bar({ label: "put", totalBytes: 10 });
    clock.freeze(200);
    bar.update(10);
    bar.finish();
    progress.close();
    expect(text()).toBe("");
  }
});

test("an empty total is done", () => {
  const { progress, text } = world();
  progress.bar({ label: "put", totalBytes: 0 }).finish();
  expect(text()).toBe("put  100%  0 B of 0 B  in 0ms\n");
});
