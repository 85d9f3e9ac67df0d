import { expect, test } from "vitest";
import { BackupLink } from "../../../cache-node/replication/backup-link.ts";
import { GroupLogs } from "../../../cache-node/replication/group-logs.ts";
import { GroupStates } from "../../../cache-node/replication/group-states.ts";
import type { Group, NodeId } from "../../../src/ids.ts";
import { nodeId } from "../../../src/ids.ts";
import { decodeEffects, effectsBatch, encodeEffect } from "../../../src/wire/cell.ts";
import { decodeVersion } from "../../../src/wire/version.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { mapOf } from "../cells/cells-fixture.ts";
import { effectOf } from "./effects.ts";

const group = 3 as Group;
const [two, three, four] = [nodeId(2), nodeId(3), nodeId(4)];

function createLogs() {
  const clock = new FakeClock();
  const states = new GroupStates();
  states.begin(group, { generation: 1, sequence: 0 }, true);
  /** What each member was sent and has not answered, oldest first. */
  const sent = new Map<NodeId, { shown: string[]; answer: (refused: readonly Group[]) => void }[]>();
  const state = { ready: 0 };
  const logs = new GroupLogs({
    ...{ self: () => nodeId(1), states },
    onReady: () => {
      state.ready += 1;
    },
    openLink: (member, { onAcknowledged }) =>
      new BackupLink({
        ...{ clock, onAcknowledged, onFailure: () => undefined },
        atEndOfTurn: (run) => queueMicrotask(run),
        snapshot: () => {
          const { version } = effectOf(1, { version: states.last(group) });
          const piece = effectOf(1, { version, group, kind: "snapshot", sessionFloor: 1 });
          return { position: version.sequence, pieces: [encodeEffect(piece)] };
        },
        send: (encoded) =>
          new Promise((resolve) => {
            const effects = decodeEffects(Buffer.concat(effectsBatch(encoded)));
            const shown = effects.map(({ kind, version: { generation, sequence }, value }) => {
              const before = kind === "activate" ? decodeVersion(value) : undefined;
              const behind = before && ` behind ${before.generation}.${before.sequence}`;
              return `${kind} ${generation}.${sequence}${behind ?? ""}`;
            });
            sent.set(member, [...(sent.get(member) ?? []), { shown, answer: resolve }]);
          }),
      }),
  });
  const lead = async (row: readonly number[], generation: number, joining: readonly number[] = []) => {
    const position = logs.lead(group, mapOf(row, { generation, joining }).rows[group]!);
    await turn();
    return position;
  };
  const append = async (): Promise<number> => {
    const version = logs.nextVersion(group, states.generation(group));
    const position = logs.append(effectOf(0, { group, version }));
    await turn();
    return position;
  };
  const take = async (member: NodeId, refused: readonly Group[] = []): Promise<string[]> => {
    const batches = sent.get(member) ?? [];
    sent.delete(member);
    for (const { answer } of batches) answer(refused);
    await turn();
    return batches.flatMap(({ shown }) => shown);
  };
  return { logs, states, lead, append, take, state };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a generation begins with an effect that says what it follows, and the sequence runs on", async () => {
  const { logs, lead, append, take, states } = createLogs();
  expect(await lead([1, 2], 1)).toBe(1);
  expect(await append()).toBe(2);
  expect(await take(two)).toEqual(["activate 1.1 behind 1.0", "bytes 1.2"]);
  expect(logs.of(group).committed).toBe(2);
  expect(await lead([1, 2], 2)).toBe(3);
  expect(await take(two)).toEqual(["activate 2.3 behind 1.2"]);
  expect(states.last(group)).toEqual({ generation: 2, sequence: 3 });
  expect(logs.nextVersion(group, 2)).toEqual({ generation: 2, sequence: 4 });
});

test("who goes on keeps what was acknowledged; who missed a generation counts nothing", async () => {
  const { logs, lead, append, take } = createLogs();
  await lead([1, 2], 1);
  await append();
  await take(two);
  const log = logs.of(group);
  await lead([1, 2], 2);
  expect(logs.of(group)).toBe(log);
  expect(log.committed).toBe(2);
  const waits: boolean[] = [];
  log.whenCommitted(3, (committed) => waits.push(committed));
  await lead([1, 2], 4);
  expect(logs.of(group)).not.toBe(log);
  expect(waits).toEqual([false]);
  expect(logs.of(group).committed).toBe(0);
  // What was under way in the old stream says nothing in the new one.
  expect(await take(two)).toEqual(["activate 2.3 behind 1.2", "activate 4.4 behind 2.3"]);
  expect(logs.of(group).committed).toBe(4);
});

test("a full member that never acknowledged in this log makes it start over", async () => {
  const { logs, lead, take } = createLogs();
  await lead([1, 2], 1);
  await take(two);
  await lead([1, 2, 3], 2);
  expect(logs.of(group).committed).toBe(0);
  await take(two);
  expect(logs.of(group).committed).toBe(0);
  await take(three);
  expect(logs.of(group).committed).toBe(2);
});

test("a joining node is not waited for until it has its snapshot, and is ready when it has all that is committed", async () => {
  const { logs, lead, append, take, state } = createLogs();
  await lead([1, 2], 1);
  await take(two);
  await lead([1, 2], 2, [4]);
  expect(await append()).toBe(3);
  await take(two);
  expect(logs.of(group).committed).toBe(3);
  expect(logs.ready()).toEqual([]);
  expect(logs.followers()).toEqual(new Set([two, four]));
  // Its snapshot was taken before that effect, which comes behind it.
  expect(await take(four)).toEqual(["snapshot 2.2", "bytes 2.3"]);
  expect(logs.ready()).toEqual([[group, 2, four]]);
  expect(state.ready).toBe(1);
  expect(await append()).toBe(4);
  await take(two);
  expect(logs.of(group).committed).toBe(3);
  await take(four);
  expect(logs.of(group).committed).toBe(4);
  // A full member from now on: it is no news any more.
  await lead([1, 2, 4], 3);
  expect(logs.ready()).toEqual([]);
  await take(two);
  expect(logs.of(group).committed).toBe(4);
  await take(four);
  expect(logs.of(group).committed).toBe(5);
});

test("a joining node that is given up is sent nothing more and not waited for", async () => {
  const { logs, lead, append, take } = createLogs();
  await lead([1, 2], 1, [4]);
  await take(two);
  await take(four);
  await append();
  await take(two);
  expect(logs.of(group).committed).toBe(1);
  await lead([1, 2], 2);
  expect(logs.of(group).committed).toBe(2);
  expect(await take(four)).toEqual(["bytes 1.2"]);
  expect(logs.ready()).toEqual([]);
  await append();
  expect(await take(four)).toEqual([]);
  logs.closeUnused(mapOf([1, 2], { generation: 2 }));
  expect(logs.followers()).toEqual(new Set([two]));
});

test("who resigns sends nothing more of the group and tells those who wait", async () => {
  const { logs, lead, take } = createLogs();
  const position = await lead([1, 2], 1);
  const waits: boolean[] = [];
  logs.of(group).whenCommitted(position, (committed) => waits.push(committed));
  logs.resign(group);
  expect([waits, logs.leads(group)]).toEqual([[false], false]);
  await take(two);
  expect(logs.backlog()).toBe(0);
  expect(() => logs.of(group)).toThrow(expect.objectContaining({ code: "INTERNAL" }));
});
