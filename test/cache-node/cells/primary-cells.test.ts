import { describe, expect, test } from "vitest";
import { jobNumber, newObjectId, nodeId } from "../../../src/ids.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { encodeRef, type RefFields } from "../../../src/wire/ref.ts";
import { formatVersion } from "../../../src/wire/version.ts";
import {
  acknowledge,
  type Cells,
  createCells,
  job,
  mapOf,
  mutationAt,
  setCell,
  stored,
  turn,
  watch,
} from "./cells-fixture.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

const set = (fixture: Cells, key: string, value: string, change = {}) =>
  setCell(fixture, mutationAt(key, change), "bytes", Buffer.from(value), 0);

/** What a read of the key shows, once it may be shown. */
function read(fixture: Cells, key: string) {
  const { cell, ready } = fixture.primary.read(job, Buffer.from(key));
  const shown = cell?.block === undefined ? cell?.kind : cell.block.view().toString();
  return watch((ready ?? Promise.resolve()).then(() => shown));
}

describe("nothing is shown before all backups have it", () => {
  test("a write is answered, and a read of it, when the last backup has acknowledged", async () => {
    const fixture = await createCells();
    const written = watch(set(fixture, "key", "value"));
    const seen = read(fixture, "key");
    await turn();
    expect(fixture.deliveries.map(({ to }) => to).sort()).toEqual([2, 3]);
    await acknowledge(fixture, 2);
    expect([written.outcome, seen.outcome]).toEqual(["pending", "pending"]);
    await acknowledge(fixture, 3);
    expect(written).toEqual({ outcome: "done", value: "1.2" });
    expect(seen).toEqual({ outcome: "done", value: "value" });
    expect(read(fixture, "key").outcome).toBe("pending");
  });

  test("what was there before is not hidden, and another key is not held up", async () => {
    const fixture = await createCells();
    const first = watch(set(fixture, "{g}key", "old"));
    await turn();
    await acknowledge(fixture, 2);
    await acknowledge(fixture, 3);
    expect(first.outcome).toBe("done");
    void set(fixture, "{g}other", "new");
    const seen = read(fixture, "{g}key");
    await turn();
    expect(seen).toEqual({ outcome: "done", value: "old" });
  });

  test("a delete, and that something is gone, is shown only then", async () => {
    const fixture = await createCells([1, 2]);
    void set(fixture, "key", "value");
    await turn();
    await acknowledge(fixture, 2);
    const deleted = watch(fixture.primary.delete(mutationAt("key")));
    const seen = read(fixture, "key");
    // Nothing to delete any more; but that is known only from the delete before.
    const again = watch(fixture.primary.delete(mutationAt("key")));
    await turn();
    expect([deleted.outcome, seen.outcome, again.outcome]).toEqual(["pending", "pending", "pending"]);
    await acknowledge(fixture, 2);
    expect(deleted).toEqual({ outcome: "done", value: true });
    expect(seen).toEqual({ outcome: "done", value: "deleted" });
    expect(again).toEqual({ outcome: "done", value: false });
    expect(stored(fixture, "key")).toBeUndefined();
  });

  test("a refusal reveals what it refuses for, so it waits too", async () => {
    const fixture = await createCells([1, 2]);
    const first = watch(set(fixture, "key", "value"));
    const exists = watch(set(fixture, "key", "other", { condition: "absent" }));
    const mismatch = watch(set(fixture, "key", "other", { condition: "9.9" }));
    await turn();
    expect([first.outcome, exists.outcome, mismatch.outcome]).toEqual(["pending", "pending", "pending"]);
    await acknowledge(fixture, 2);
    expect([first.outcome, exists.outcome, mismatch.outcome]).toEqual([
      "done",
      "KEY_EXISTS",
      "VERSION_MISMATCH",
    ]);
    expect(stored(fixture, "key")).toBe("value");
  });

  test("a repetition is answered when the first is", async () => {
    const fixture = await createCells([1, 2]);
    const mutation = mutationAt("key");
    const value = Buffer.from("value");
    const first = watch(setCell(fixture, mutation, "bytes", value, 0));
    const again = watch(setCell(fixture, mutation, "bytes", value, 0));
    await turn();
    expect([first.outcome, again.outcome]).toEqual(["pending", "pending"]);
    expect(fixture.deliveries[0]?.effects).toHaveLength(1);
    await acknowledge(fixture, 2);
    expect(again).toEqual(first);
  });

  test("a wait fires only then", async () => {
    const fixture = await createCells([1, 2]);
    let fired = false;
    fixture.waits.add(job, groupOf(Buffer.from("key")), "key", 60_000, () => {
      fired = true;
    });
    void set(fixture, "key", "value");
    await turn();
    expect(fired).toBe(false);
    await acknowledge(fixture, 2);
    expect(fired).toBe(true);
  });

  test("replaced objects are freed only then", async () => {
    const fixture = await createCells([1, 2]);
    const commit = (ref: RefFields) => setCell(fixture, mutationAt("key"), "ref", encodeRef(ref), 0);
    const refs = [1, 2].map((n) => refAt("key", n));
    void commit(refs[0]!);
    void commit(refs[1]!);
    await turn();
    expect(fixture.freed).toEqual([]);
    await acknowledge(fixture, 2);
    expect(fixture.freed.map(({ object }) => object)).toEqual([refs[0]!.object]);
    void fixture.primary.delete(mutationAt("key"));
    await turn();
    await acknowledge(fixture, 2);
    expect(fixture.freed.map(({ object }) => object)).toEqual(refs.map(({ object }) => object));
  });
});

function refAt(key: string, seed: number): RefFields {
  const object = newObjectId(groupOf(Buffer.from(key)), Buffer.alloc(16, seed));
  return {
    object,
    key: Buffer.from(key),
    sizeBytes: 1000,
    code: { d: 1, p: 1 },
    stripes: [[2, 3].map(nodeId)],
  };
}

describe("conditions", () => {
  test("of many mutations over one version exactly one is applied, however they overlap", async () => {
    const fixture = await createCells([1, 2]);
    const first = watch(set(fixture, "key", "start"));
    await turn();
    await acknowledge(fixture, 2);
    const condition = first.value as string;
    const rivals = Array.from({ length: 20 }, (_, i) =>
      watch(set(fixture, "key", `rival ${i}`, { condition })),
    );
    const removal = watch(fixture.primary.delete(mutationAt("key", { condition })));
    await turn();
    await acknowledge(fixture, 2);
    const outcomes = [...rivals, removal].map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "VERSION_MISMATCH")).toHaveLength(20);
    expect(stored(fixture, "key")).toBe("rival 0");
  });

  test("of many put-if-absent exactly one is applied", async () => {
    const fixture = await createCells([1]);
    const rivals = Array.from({ length: 20 }, (_, i) =>
      watch(set(fixture, "key", `rival ${i}`, { condition: "absent" })),
    );
    await turn();
    expect(rivals.filter(({ outcome }) => outcome === "done")).toHaveLength(1);
    expect(stored(fixture, "key")).toBe("rival 0");
  });
});

describe("once", () => {
  test("a repetition is answered before anything is checked anew", async () => {
    const fixture = await createCells([1]);
    const mutation = mutationAt("key", { condition: "absent" });
    const version = await setCell(fixture, mutation, "bytes", Buffer.from("value"), 0);
    fixture.quota.left = 0;
    expect(await setCell(fixture, mutation, "bytes", Buffer.from("value"), 0)).toBe(version);
    await expect(set(fixture, "key", "more")).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  });

  test("answers below the session's floor are forgotten, and late copies have no effect", async () => {
    const fixture = await createCells([1]);
    const first = mutationAt("key", { sequence: 1, floor: 1 });
    await setCell(fixture, first, "bytes", Buffer.from("old"), 0);
    await set(fixture, "key", "new", { sequence: 2, floor: 2 });
    await expect(setCell(fixture, first, "bytes", Buffer.from("old"), 0)).rejects.toMatchObject({
      code: "ABORTED",
    });
    await expect(fixture.primary.delete(first)).rejects.toMatchObject({ code: "ABORTED" });
    await expect(fixture.primary.abort(first, refAt("key", 1) as never)).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(stored(fixture, "key")).toBe("new");
  });

  test("clients without a session are never taken for a repetition", async () => {
    const fixture = await createCells([1]);
    await set(fixture, "key", "one", { sequence: 0 });
    await set(fixture, "key", "two", { sequence: 0 });
    expect(stored(fixture, "key")).toBe("two");
  });
});

describe("expiry", () => {
  test("is an effect, logged when somebody looks or when its time has come", async () => {
    for (const look of [true, false]) {
      const fixture = await createCells([1, 2]);
      void setCell(fixture, mutationAt("key"), "bytes", Buffer.from("value"), 5000);
      await turn();
      await acknowledge(fixture, 2);
      await fixture.clock.advance(4999);
      expect(stored(fixture, "key")).toBe("value");
      await fixture.clock.advance(2001);
      if (look) read(fixture, "key");
      else fixture.replicas.tick();
      await turn();
      expect(stored(fixture, "key")).toBe("(expired)");
      expect(fixture.deliveries.at(-1)?.effects.map(({ kind }) => kind)).toEqual(["expired"]);
      const seen = read(fixture, "key");
      await turn();
      expect(seen.outcome).toBe("pending");
      await acknowledge(fixture, 2);
      expect(seen).toEqual({ outcome: "done", value: "expired" });
    }
  });

  test("is forgotten after a while, with what it cost", async () => {
    const fixture = await createCells([1]);
    const before = fixture.memory.job(job).usedBytes;
    await setCell(fixture, mutationAt("key", { sequence: 0 }), "bytes", Buffer.from("value"), 1000);
    await fixture.clock.advance(2000);
    fixture.replicas.tick();
    await fixture.clock.advance(9 * 60_000);
    fixture.replicas.tick();
    expect(stored(fixture, "key")).toBe("(expired)");
    await fixture.clock.advance(2 * 60_000);
    fixture.replicas.tick();
    expect(stored(fixture, "key")).toBeUndefined();
    expect(fixture.memory.job(job).indexBytes).toBe(before);
  });

  test("of a value that was written again meanwhile does nothing", async () => {
    const fixture = await createCells([1]);
    await setCell(fixture, mutationAt("key"), "bytes", Buffer.from("short"), 1000);
    await set(fixture, "key", "stays");
    await fixture.clock.advance(60_000);
    fixture.replicas.tick();
    expect(stored(fixture, "key")).toBe("stays");
  });

  test("frees the object", async () => {
    const fixture = await createCells([1]);
    await setCell(fixture, mutationAt("key"), "ref", encodeRef(refAt("key", 1)), 1000);
    await fixture.clock.advance(3000);
    fixture.replicas.tick();
    await turn();
    expect(fixture.freed.map(({ object }) => object)).toEqual([refAt("key", 1).object]);
  });
});

describe("rows", () => {
  test("who is not the primary takes nothing", async () => {
    const fixture = await createCells([2, 1, 3]);
    await expect(set(fixture, "key", "x")).rejects.toMatchObject({ code: "MOVED", message: /^1\.1 / });
    expect(() => fixture.primary.read(job, Buffer.from("key"))).toThrow(code("MOVED"));
  });

  test("who finds itself declared dead takes nothing and shows nothing", async () => {
    const fixture = await createCells([1, 2, 3]);
    fixture.adopt(mapOf([1, 2, 3], { generation: 1, n: 2, dead: [1] }));
    await expect(set(fixture, "key", "x")).rejects.toMatchObject({ code: "MOVED" });
    expect(() => fixture.primary.read(job, Buffer.from("key"))).toThrow(code("MOVED"));
  });

  test("a write that not all had when this node stopped being the primary is not acknowledged", async () => {
    const fixture = await createCells();
    const written = watch(set(fixture, "key", "value"));
    const seen = read(fixture, "key");
    await turn();
    await acknowledge(fixture, 2);
    fixture.adopt(mapOf([2, 1, 3], { generation: 2 }));
    await turn();
    expect([written.outcome, seen.outcome]).toEqual(["MOVED", "MOVED"]);
  });

  test("a backup that was dropped from the row is not waited for, and the sequence goes on", async () => {
    const fixture = await createCells();
    const written = watch(set(fixture, "{g}a", "value"));
    await turn();
    await acknowledge(fixture, 2);
    expect(written.outcome).toBe("pending");
    fixture.adopt(mapOf([1, 2], { generation: 2, dead: [3] }));
    await turn();
    expect(written).toEqual({ outcome: "done", value: "1.2" });
    const next = watch(set(fixture, "{g}a", "newer"));
    await turn();
    await acknowledge(fixture, 2);
    // 2.3 began the generation.
    expect(next).toEqual({ outcome: "done", value: "2.4" });
  });

  test("a write that was not committed when the row started over is answered when it is sent again", async () => {
    const fixture = await createCells([1, 2]);
    const mutation = mutationAt("key");
    const first = watch(setCell(fixture, mutation, "bytes", Buffer.from("value"), 0));
    await turn();
    fixture.adopt(mapOf([1, 2], { generation: 3 }));
    await turn();
    expect(first.outcome).toBe("UNAVAILABLE");
    await expect(setCell(fixture, mutation, "bytes", Buffer.from("value"), 0)).rejects.toMatchObject({
      ...{ code: "UNAVAILABLE", retryAfterMs: 20 },
    });
    await acknowledge(fixture);
    expect(await setCell(fixture, mutation, "bytes", Buffer.from("value"), 0)).toBe("1.2");
  });
});

describe("a key of a row that was lost", () => {
  const lostJobs = { generation: 2, born: 2, lostJobs: job };
  const other = jobNumber(2);
  const readText = (fixture: Cells, of = job): string | undefined =>
    fixture.primary.read(of, Buffer.from("key")).cell?.block?.view().toString();

  test("is LOST to the jobs of then as long as nothing was written there since", async () => {
    const fixture = await createCells([1], lostJobs);
    const lost = { code: "LOST" };
    expect(() => readText(fixture)).toThrow(code("LOST"));
    await expect(fixture.primary.delete(mutationAt("key"))).rejects.toMatchObject(lost);
    await expect(set(fixture, "key", "x", { condition: "absent" })).rejects.toMatchObject(lost);
    await expect(set(fixture, "key", "x", { condition: "1.7" })).rejects.toMatchObject(lost);
    await set(fixture, "key", "again");
    expect(readText(fixture)).toBe("again");
    await expect(set(fixture, "key", "x", { condition: "absent" })).rejects.toMatchObject({
      code: "KEY_EXISTS",
    });
  });

  test("was never written to younger jobs", async () => {
    const fixture = await createCells([1], lostJobs);
    expect(readText(fixture, other)).toBeUndefined();
    expect(await fixture.primary.delete(mutationAt("key", { job: other }))).toBe(false);
    await set(fixture, "key", "x", { condition: "absent", job: other });
    expect(readText(fixture, other)).toBe("x");
  });
});

describe("objects", () => {
  const stateOf = ({ cells }: Cells) => {
    const cell = cells.get(job, groupOf(Buffer.from("key")), "key");
    return {
      version: cell && formatVersion(cell.version),
      value: cell?.block && Buffer.from(cell.block.view()),
    };
  };
  const group = groupOf(Buffer.from("key"));
  const moved = encodeRef({ ...refAt("key", 1), stripes: [[4, 3].map(nodeId)] });

  test("that are relocated keep their version and their expiry, and nothing is freed", async () => {
    const fixture = await createCells([1, 2]);
    const { object } = refAt("key", 1);
    const commit = watch(setCell(fixture, mutationAt("key"), "ref", encodeRef(refAt("key", 1)), 5000));
    await acknowledge(fixture);
    const relocated = watch(fixture.primary.relocate(job, group, "key", object, moved));
    await turn();
    expect(relocated.outcome).toBe("pending");
    await acknowledge(fixture);
    expect(relocated).toEqual({ outcome: "done", value: true });
    expect(stateOf(fixture)).toEqual({ version: commit.value, value: Buffer.from(moved) });
    expect(fixture.freed).toEqual([]);
    await fixture.clock.advance(7000);
    fixture.replicas.tick();
    expect(stored(fixture, "key")).toBe("(expired)");
  });

  test("that were overwritten or deleted meanwhile are not relocated", async () => {
    const fixture = await createCells([1]);
    const relocate = () => fixture.primary.relocate(job, group, "key", refAt("key", 1).object, moved);
    expect(await relocate()).toBe(false);
    await setCell(fixture, mutationAt("key"), "ref", encodeRef(refAt("key", 2)), 0);
    expect(await relocate()).toBe(false);
    await set(fixture, "key", "bytes");
    expect(await relocate()).toBe(false);
    await fixture.primary.delete(mutationAt("key"));
    expect(await relocate()).toBe(false);
    expect(stored(fixture, "key")).toBeUndefined();
  });

  test("are aborted for good, unless some key of the group holds them", async () => {
    const fixture = await createCells([1]);
    await setCell(fixture, mutationAt("key"), "ref", encodeRef(refAt("key", 1)), 0);
    expect(await fixture.primary.abortObject(job, group, refAt("key", 1).object)).toBe(false);
    expect(await fixture.primary.abortObject(job, group, refAt("key", 2).object)).toBe(true);
    await expect(
      setCell(fixture, mutationAt("key"), "ref", encodeRef(refAt("key", 2)), 0),
    ).rejects.toMatchObject({ code: "FREED" });
  });
});

describe("memory", () => {
  test("that is not there makes a write BUSY and leaves everything as it was", async () => {
    const fixture = await createCells([1]);
    const value = "x".repeat(16_384);
    let written = 0;
    let refusal = "";
    for (; refusal === "" && written < 1000; written++) {
      await set(fixture, `key-${written}`, value).catch((error: { code: string }) => {
        refusal = error.code;
      });
    }
    expect(refusal).toBe("BUSY");
    expect(written).toBeGreaterThan(200);
    expect(stored(fixture, `key-${written - 1}`)).toBeUndefined();
    expect(stored(fixture, "key-0")).toBe(value);
    for (let i = 0; i < 20; i++) await fixture.primary.delete(mutationAt(`key-${i}`));
    await set(fixture, "again", value);
    expect(stored(fixture, "again")).toBe(value);
  });
});
