import { expect, onTestFinished, test } from "vitest";
import { GrantKeeper } from "../../../cache-node/replication/grant-keeper.ts";
import { Grants } from "../../../cache-node/replication/grants.ts";
import type { Peers } from "../../../cache-node/replication/peers.ts";
import { MayflyError } from "../../../src/errors.ts";
import { nodeId } from "../../../src/ids.ts";
import { FakeClock } from "../../controller/fake-clock.ts";

const [two, three] = [nodeId(2), nodeId(3)];
const grantMs = 800;

/** A keeper whose peers grant, unless the test says what they answer instead. */
function createKeeper() {
  const clock = new FakeClock();
  const grants = new Grants(clock);
  const calls: string[] = [];
  const heard: string[] = [];
  const followers = new Set([two, three]);
  const answers: (() => Promise<number>)[] = [];
  const peers = {
    grant: (node: number) => {
      calls.push(`grant ${node}`);
      return (answers.shift() ?? (() => Promise.resolve(grantMs)))();
    },
    exchangeMaps: (node: number) => {
      calls.push(`exchange ${node}`);
      return Promise.resolve();
    },
  } as Partial<Peers> as Peers;
  const keeper = new GrantKeeper({
    ...{ clock, grants, peers, followers: () => followers, grantMs: () => grantMs },
    onReached: (node) => heard.push(`reached ${node}`),
    onUnreachable: (node) => heard.push(`unreachable ${node}`),
  });
  onTestFinished(() => keeper.stop());
  const take = (): string[] => calls.splice(0);
  return { clock, grants, keeper, followers, answers, heard, take };
}

const fails = (code: "MOVED" | "NODE_UNREACHABLE" | "DEADLINE_EXCEEDED" | "BUSY") => (): Promise<number> =>
  Promise.reject(new MayflyError(code, "the test says so"));

test("with a new map those are asked whose grants are not held, and all again before theirs are over", async () => {
  const { clock, grants, keeper, followers, take } = createKeeper();
  keeper.start();
  await clock.advance(0);
  expect(take()).toEqual(["grant 2", "grant 3"]);
  expect([grants.holds(two), grants.holds(three)]).toEqual([true, true]);
  // Maps follow each other by the hundred when nodes join.
  followers.add(nodeId(4));
  for (let maps = 0; maps < 10; maps++) keeper.start();
  await clock.advance(0);
  expect(take()).toEqual(["grant 4"]);
  followers.delete(nodeId(4));
  await clock.advance(grantMs / 4);
  expect(take()).toEqual(["grant 2", "grant 3"]);
  await clock.advance(3 * grantMs);
  expect([grants.holds(two), grants.holds(three)]).toEqual([true, true]);
});

test("who has another map exchanges it and is asked again, three times at most", async () => {
  const { clock, grants, keeper, followers, answers, take, heard } = createKeeper();
  followers.delete(three);
  answers.push(fails("MOVED"), fails("MOVED"));
  keeper.start();
  await clock.advance(0);
  expect(take()).toEqual(["grant 2", "exchange 2", "grant 2", "exchange 2", "grant 2"]);
  expect(grants.holds(two)).toBe(true);
  expect(new Set(heard)).toEqual(new Set(["reached 2"]));
  await clock.advance(2 * grantMs);
  take();
  answers.push(fails("MOVED"), fails("MOVED"), fails("MOVED"), fails("MOVED"));
  await clock.advance(grantMs / 4);
  expect(take()).toEqual(["grant 2", "exchange 2", "grant 2", "exchange 2", "grant 2", "exchange 2"]);
});

test("who follows no more after the exchange is asked no more", async () => {
  const { clock, keeper, followers, answers, take } = createKeeper();
  followers.delete(three);
  answers.push(() => {
    followers.delete(two);
    return fails("MOVED")();
  });
  keeper.start();
  await clock.advance(0);
  expect(take()).toEqual(["grant 2", "exchange 2"]);
});

test("who does not answer is said to be unreachable; who refuses has been reached", async () => {
  const { clock, keeper, followers, answers, heard } = createKeeper();
  followers.delete(three);
  for (const code of ["NODE_UNREACHABLE", "DEADLINE_EXCEEDED", "BUSY"] as const) answers.push(fails(code));
  keeper.start();
  await clock.advance(grantMs);
  expect(heard.slice(0, 4)).toEqual(["unreachable 2", "unreachable 2", "reached 2", "reached 2"]);
});

test("who has not answered yet is not asked again", async () => {
  const { clock, keeper, followers, answers, take } = createKeeper();
  followers.delete(three);
  let answer: ((grantedMs: number) => void) | undefined;
  answers.push(
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  keeper.start();
  await clock.advance(2 * grantMs);
  expect(take()).toEqual(["grant 2"]);
  answer?.(grantMs);
  await clock.advance(0);
  await clock.advance(grantMs / 4);
  expect(take()).toEqual(["grant 2"]);
});

test("when stopped it asks nobody any more", async () => {
  const { clock, keeper, take } = createKeeper();
  keeper.start();
  keeper.stop();
  keeper.start();
  await clock.advance(0);
  take();
  await clock.advance(3 * grantMs);
  expect(take()).toEqual([]);
});
