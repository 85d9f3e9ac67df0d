import { describe, expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { type CounterOperation, counterModel } from "./counter-model.ts";
import { explain } from "./explain.ts";
import { checkLinearizable, type Verdict } from "./linearizability.ts";
import { type ListOperation, listModel } from "./list-model.ts";
import {
  type RegisterOp,
  type RegisterOperation,
  type RegisterResult,
  registerModel,
  versionsUsedTwice,
} from "./register-model.ts";

/** `[client, invoked, returned, op, result]`; without `returned` nobody knows the outcome. */
type Row<Op, Result> = readonly [string, number, number | undefined, Op, Result | undefined];

function historyOf<Op, Result>(rows: readonly Row<Op, Result>[]) {
  return rows.map(([client, invokedAtMs, returnedAtMs, op, result]) => ({
    ...{ client, key: "k", op, invokedAtMs, returnedAtMs, result },
  }));
}

function register(...rows: readonly Row<RegisterOp, RegisterResult>[]): Verdict {
  return checkLinearizable(historyOf(rows), registerModel)[0]!.verdict;
}

const put = (value: string): RegisterOp => ({ kind: "put", value });
const putAbsent = (value: string): RegisterOp => ({ kind: "put", value, ifAbsent: true });
const putAt = (value: string, ifVersion: string): RegisterOp => ({ kind: "put", value, ifVersion });
const get: RegisterOp = { kind: "get" };
const stat: RegisterOp = { kind: "stat" };
const remove: RegisterOp = { kind: "delete" };
const at = (version: string): RegisterResult => ({ kind: "written", version });
const value = (text: string): RegisterResult => ({ kind: "value", value: text });
const version = (text: string): RegisterResult => ({ kind: "version", version: text });
const absent: RegisterResult = { kind: "absent" };
const exists: RegisterResult = { kind: "exists" };
const mismatch: RegisterResult = { kind: "mismatch" };
const deleted: RegisterResult = { kind: "deleted" };

describe("a register is linearizable when", () => {
  test("operations follow one another", () => {
    expect(
      register(
        ["a", 0, 1, get, absent],
        ["a", 2, 3, put("x"), at("1.1")],
        ["b", 4, 5, stat, version("1.1")],
        ["b", 6, 7, putAt("y", "1.1"), at("1.2")],
        ["a", 8, 9, putAt("z", "1.1"), mismatch],
        ["a", 10, 11, putAbsent("z"), exists],
        ["a", 12, 13, get, value("y")],
        ["a", 14, 15, remove, deleted],
        ["a", 16, 17, remove, absent],
        ["b", 18, 19, putAbsent("w"), at("1.4")],
      ),
    ).toBe("linearizable");
  });

  test("reads beside a write see either value, old before new", () => {
    expect(
      register(
        ["a", 0, 1, put("x"), at("1.1")],
        ["a", 2, 10, put("y"), at("1.2")],
        ["b", 3, 4, get, value("x")],
        ["c", 5, 6, get, value("y")],
      ),
    ).toBe("linearizable");
  });

  test("three writes overlap and reads tell their order", () => {
    expect(
      register(
        ["a", 0, 10, put("x"), at("1.2")],
        ["b", 0, 10, put("y"), at("1.3")],
        ["c", 0, 10, put("z"), at("1.1")],
        ["d", 1, 2, get, value("z")],
        ["d", 3, 4, get, value("x")],
        ["d", 5, 6, get, value("y")],
      ),
    ).toBe("linearizable");
  });

  test("a write of unknown outcome shows late, or never", () => {
    const late: Row<RegisterOp, RegisterResult> = ["b", 2, undefined, put("late"), undefined];
    const first: Row<RegisterOp, RegisterResult> = ["a", 0, 1, put("x"), at("1.1")];
    expect(register(first, late, ["a", 3, 4, get, value("x")])).toBe("linearizable");
    expect(register(first, late, ["a", 3, 4, get, value("x")], ["a", 90, 91, get, value("late")])).toBe(
      "linearizable",
    );
  });

  test("a write that nobody acknowledged gets its version from the first who asks", () => {
    expect(
      register(
        ["a", 0, undefined, put("x"), undefined],
        ["b", 2, 3, stat, version("1.1")],
        ["b", 4, 5, { kind: "get-at", version: "1.1" }, value("x")],
        ["b", 6, 7, putAt("y", "1.1"), at("1.2")],
      ),
    ).toBe("linearizable");
  });
});

describe("a register is not linearizable when", () => {
  test("a read is stale", () => {
    expect(
      register(
        ["a", 0, 1, put("x"), at("1.1")],
        ["a", 2, 3, put("y"), at("1.2")],
        ["b", 4, 5, get, value("x")],
      ),
    ).toBe("violation");
  });

  test("a value shows and is gone again beside one write", () => {
    expect(
      register(
        ["a", 0, 1, put("x"), at("1.1")],
        ["a", 2, 20, put("y"), at("1.2")],
        ["b", 3, 4, get, value("y")],
        ["c", 5, 6, get, value("x")],
      ),
    ).toBe("violation");
  });

  test("an acknowledged write is lost", () => {
    expect(register(["a", 0, 1, put("x"), at("1.1")], ["b", 2, 3, get, absent])).toBe("violation");
  });

  test("a deleted value is there again", () => {
    expect(
      register(
        ["a", 0, 1, put("x"), at("1.1")],
        ["a", 2, 3, remove, deleted],
        ["b", 4, 5, get, absent],
        ["b", 6, 7, get, value("x")],
      ),
    ).toBe("violation");
  });

  test("a read shows what was never written", () => {
    expect(register(["a", 0, 1, put("x"), at("1.1")], ["b", 2, 3, get, value("ghost")])).toBe("violation");
  });

  test("a write shows before it was begun", () => {
    expect(register(["b", 0, 1, get, value("x")], ["a", 2, 3, put("x"), at("1.1")])).toBe("violation");
  });

  test("two compare-and-sets over one version both succeed", () => {
    expect(
      register(
        ["a", 0, 1, put("x"), at("1.1")],
        ["b", 2, 9, putAt("y", "1.1"), at("1.2")],
        ["c", 2, 9, putAt("z", "1.1"), at("1.3")],
      ),
    ).toBe("violation");
  });

  test("two puts if absent both succeed", () => {
    expect(register(["b", 2, 9, putAbsent("y"), at("1.2")], ["c", 2, 9, putAbsent("z"), at("1.3")])).toBe(
      "violation",
    );
  });

  test("a compare-and-set of unknown outcome took place twice", () => {
    expect(
      register(
        ["a", 0, 1, put("x"), at("1.1")],
        ["b", 2, undefined, putAt("y", "1.1"), undefined],
        ["c", 3, 4, get, value("y")],
        ["c", 5, 6, put("z"), at("1.3")],
        ["c", 7, 8, get, value("y")],
      ),
    ).toBe("violation");
  });

  test("a put of unknown outcome, seen and then overwritten, comes back", () => {
    expect(
      register(
        ["b", 2, undefined, put("y"), undefined],
        ["c", 3, 4, get, value("y")],
        ["c", 5, 6, remove, deleted],
        ["c", 7, 8, get, value("y")],
      ),
    ).toBe("violation");
  });

  test("a version stands for two values", () => {
    const history = historyOf<RegisterOp, RegisterResult>([
      ["a", 0, 1, put("x"), at("1.1")],
      ["a", 2, 3, put("y"), at("1.1")],
    ]);
    expect(versionsUsedTwice(history)).toEqual([
      expect.stringContaining("version 1.1 is that of x and of y"),
    ]);
  });
});

test("keys are judged by themselves", () => {
  const rows: RegisterOperation[] = historyOf<RegisterOp, RegisterResult>([
    ["a", 0, 1, put("x"), at("1.1")],
    ["a", 2, 3, get, absent],
  ]);
  const other = rows.slice(0, 1).map((operation) => ({ ...operation, key: "other" }));
  const reports = checkLinearizable([...other, ...rows], registerModel);
  expect(reports.map(({ key, verdict }) => [key, verdict])).toEqual([
    ["other", "linearizable"],
    ["k", "violation"],
  ]);
});

describe("a counter", () => {
  const counter = (...rows: readonly Row<CounterOperation["op"], number>[]): Verdict =>
    checkLinearizable(historyOf(rows), counterModel)[0]!.verdict;
  const add = { kind: "add", amount: 1 } as const;
  const read = { kind: "read" } as const;

  test("of increments in any order is linearizable", () => {
    expect(counter(["a", 0, 9, add, 2], ["b", 1, 9, add, 1], ["c", 10, 11, read, 2])).toBe("linearizable");
  });
  test("is not when an increment is lost", () => {
    expect(counter(["a", 0, 1, add, 1], ["b", 0, 1, add, 1], ["c", 2, 3, read, 1])).toBe("violation");
  });
  test("is not when an increment counts twice", () => {
    expect(counter(["a", 0, 1, add, 1], ["a", 2, 3, add, 2], ["c", 4, 5, read, 3])).toBe("violation");
    expect(counter(["a", 0, undefined, add, undefined], ["c", 4, 5, read, 2])).toBe("violation");
  });
  test("is when increments of unknown outcome explain the sum, however many there are", () => {
    const unknown = Array.from({ length: 40 }, (_, n): Row<CounterOperation["op"], number> => {
      return ["a", n, undefined, add, undefined];
    });
    expect(counter(...unknown, ["c", 50, 51, read, 17], ["c", 52, 53, read, 40])).toBe("linearizable");
    expect(counter(...unknown, ["c", 50, 51, read, 41])).toBe("violation");
  });
});

describe("a list", () => {
  const list = (...rows: readonly Row<ListOperation["op"], string | number | null>[]): Verdict =>
    checkLinearizable(historyOf(rows), listModel)[0]!.verdict;
  const push = (text: string): ListOperation["op"] => ({ kind: "push", value: text });
  const pop = { kind: "pop" } as const;

  test("gives each value once, in the order of the pushes", () => {
    expect(
      list(
        ["a", 0, 5, push("x"), 2],
        ["b", 0, 5, push("y"), 1],
        ["c", 6, 7, pop, "y"],
        ["c", 8, 9, pop, "x"],
      ),
    ).toBe("linearizable");
  });
  test("is not linearizable when a value is popped twice, or skipped", () => {
    expect(list(["a", 0, 1, push("x"), 1], ["b", 2, 3, pop, "x"], ["c", 2, 3, pop, "x"])).toBe("violation");
    expect(list(["a", 0, 1, push("x"), 1], ["a", 2, 3, push("y"), 2], ["c", 4, 5, pop, "y"])).toBe(
      "violation",
    );
  });
});

/** What many clients see of a register that works, some calls without an answer. */
function seededHistory(seed: number, operations: number, clients: number): RegisterOperation[] {
  const rng = seededRng(seed);
  const history: RegisterOperation[] = [];
  const freeAtMs = new Float64Array(clients);
  let state = registerModel.initial;
  let sequence = 0;
  let effectMs = 0;
  while (history.length < operations) {
    effectMs += rng.random();
    const client = Math.floor(rng.random() * clients);
    // The effects come in this order; a call begins before its effect and ends after it.
    const invokedAtMs = Math.max(freeAtMs[client]!, effectMs - rng.random() * 8);
    if (invokedAtMs > effectMs) continue;
    const draw = rng.random();
    const name = `${client}.${history.length}`;
    const unknown = rng.random() < 0.02;
    let op: RegisterOp;
    let result: RegisterResult;
    if (draw < 0.4 || (draw < 0.6 && state.version === undefined)) {
      op = get;
      result = state.value === undefined ? absent : value(state.value);
    } else if (draw < 0.5) {
      op = put(name);
      result = at(`1.${++sequence}`);
    } else if (draw < 0.6) {
      op = putAt(name, state.version ?? "1.0");
      result = at(`1.${++sequence}`);
    } else if (draw < 0.7) {
      op = putAt(name, "0.0");
      result = mismatch;
    } else if (draw < 0.8) {
      op = putAbsent(name);
      result = state.value === undefined ? at(`1.${++sequence}`) : exists;
    } else {
      op = remove;
      result = state.value === undefined ? absent : deleted;
    }
    const returnedAtMs = effectMs + rng.random() * 8;
    freeAtMs[client] = returnedAtMs;
    const isLost = unknown && rng.random() < 0.5;
    if (!isLost) state = registerModel.step(state, op, result)!;
    const outcome = unknown ? { returnedAtMs: undefined, result: undefined } : { returnedAtMs, result };
    history.push({ client: String(client), key: "k", op, invokedAtMs, ...outcome });
  }
  return history;
}

test("long histories of many clients are judged fast, and one wrong read among thousands is found", () => {
  for (let seed = 1; seed <= 2; seed++) {
    const history = seededHistory(seed, 4000, 10);
    expect(checkLinearizable(history, registerModel).map(({ verdict }) => verdict)).toEqual(["linearizable"]);
    const reads = history.filter(({ result }) => result?.kind === "value");
    const victim = reads[Math.floor(reads.length * 0.7)]!;
    const old = reads[Math.floor(reads.length * 0.3)]!;
    const wrong = history.map((operation) =>
      operation === victim ? { ...operation, result: old.result } : operation,
    );
    const [report] = checkLinearizable(wrong, registerModel);
    expect(report?.verdict).toBe("violation");
    expect(report?.window?.operations.length).toBeLessThan(40);
  }
});

test("a search that takes too long is undecided, which is not linearizable", () => {
  const [report] = checkLinearizable(seededHistory(1, 200, 12), registerModel, 50);
  expect(report?.verdict).toBe("undecided");
});

test("a violation is told with what was there, what was done, and who wrote what was read", () => {
  const history = historyOf<RegisterOp, RegisterResult>([
    ["a", 0, 1, put("x"), at("1.1")],
    ["a", 2, 3, put("y"), at("1.2")],
    ["c", 4, 9, get, value("y")],
    ["b", 5, 6, get, value("x")],
  ]);
  const [report] = checkLinearizable(history, registerModel);
  expect(explain(report!, registerModel, history)).toBe(
    [
      "key k: not linearizable. At 4.0 ms it held y at version 1.2; then:",
      "  1.0 .. 2.0 ms            client b: get -> x   <- cannot be",
      "  the same values and versions elsewhere:",
      "  -4.0 .. -3.0 ms          client a: put x -> written 1.1",
    ].join("\n"),
  );
});
