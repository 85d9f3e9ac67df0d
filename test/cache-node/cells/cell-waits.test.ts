import { expect, test } from "vitest";
import { CellWaits } from "../../../cache-node/cells/cell-waits.ts";
import { MayflyError } from "../../../src/errors.ts";
import { type Group, jobNumber } from "../../../src/ids.ts";
import { FakeClock } from "../../controller/fake-clock.ts";

const [one, two] = [jobNumber(1), jobNumber(2)];
const group = (n: number): Group => n as Group;

function createWaits() {
  const clock = new FakeClock();
  const waits = new CellWaits(clock);
  const woken: string[] = [];
  const add = (
    name: string,
    options: { job?: typeof one; group?: number; waitMs?: number; key?: string } = {},
  ) => {
    const { job = one, waitMs = 1000, key = "key" } = options;
    waits.add(job, group(options.group ?? 0), key, waitMs, (error) =>
      woken.push(`${name} ${error?.code ?? ""}`),
    );
  };
  return { clock, waits, woken, add };
}

test("a change wakes all who wait for that key of that job, once", () => {
  const { waits, woken, add } = createWaits();
  add("a");
  add("b");
  add("other key", { key: "other" });
  add("other job", { job: two });
  expect(waits.count).toBe(4);
  waits.fire(one, "key");
  waits.fire(one, "key");
  waits.fire(one, "nobody");
  expect(woken).toEqual(["a ", "b "]);
  expect(waits.count).toBe(2);
});

test("a wait ends by itself when its time is over", async () => {
  const { clock, waits, woken, add } = createWaits();
  add("short", { waitMs: 10 });
  add("long", { waitMs: 20 });
  await clock.advance(10);
  expect(woken).toEqual(["short "]);
  waits.fire(one, "key");
  await clock.advance(100);
  expect(woken).toEqual(["short ", "long "]);
  expect(waits.count).toBe(0);
});

test("waits that are of no use any more are sent away with the reason", () => {
  const { waits, woken, add } = createWaits();
  add("a", { group: 1 });
  add("b", { group: 2 });
  add("c", { group: 1, job: two });
  waits.dismiss(
    (job, of) => job === one && of === 1,
    (of) => new MayflyError("MOVED", `group ${of}`),
  );
  expect(woken).toEqual(["a MOVED"]);
  waits.fire(one, "key");
  expect(woken).toEqual(["a MOVED", "b "]);
});

test("who is woken may wait again at once", () => {
  const { waits } = createWaits();
  let wakes = 0;
  const again = (): void => {
    wakes += 1;
    if (wakes < 5) waits.add(one, group(0), "key", 1000, again);
  };
  waits.add(one, group(0), "key", 1000, again);
  waits.fire(one, "key");
  expect(wakes).toBe(1);
  expect(waits.count).toBe(1);
});
