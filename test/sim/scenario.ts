/**
 * Plays a scenario: a text that says what happens to a simulated fleet, line by line (the language is described in
 * test/scenarios/README.md), with the outcome of each call behind `->` and what is left at the end behind `----`.
 */
import { MayflyError } from "../../src/errors.ts";
import type { Group } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { Row } from "../../src/placement/types.ts";
import type { SimClient } from "./client.ts";
import { judge } from "./judge.ts";
import type { SimNode } from "./node.ts";
import { misplacedShards, rotOne } from "./object-state.ts";
import { carryOutCall, type Outcome } from "./scenario-calls.ts";
import { keyNamed, ScenarioFleet } from "./scenario-fleet.ts";

const waitMsMax = 90_000;

export class Scenario {
  readonly fleet: ScenarioFleet;
  readonly #clients = new Map<string, SimClient>();
  readonly #nodes = new Map<string, SimNode>();
  readonly #pending = new Map<string, Promise<Outcome>>();
  readonly #keys = new Set<string>();

  constructor(fleet: ScenarioFleet) {
    this.fleet = fleet;
  }

  /** What it answers, for statements that have an answer. @throws Error for what cannot be done */
  async play(statement: string): Promise<string | undefined> {
    const call = /^(\w+): (begin )?(.+)$/.exec(statement);
    if (call !== null) return await this.#call(call[1]!, call[3]!, call[2] !== undefined);
    const [verb = "", ...words] = statement.split(" ");
    const rest = words.join(" ");
    const { world } = this.fleet;
    const { controller } = world;
    const carryOut: Record<string, () => unknown> = {
      name: () => this.#name(rest),
      node: () => this.#addNode(rest),
      cut: () => this.fleet.cut(this.#end(words[0]!), this.#end(words[1]!)),
      heal: () => world.network.heal(),
      crash: () => this.#crash(rest),
      pause: () => this.#process(rest).pause(),
      resume: () => this.#process(rest).resume(false),
      thaw: () => this.#process(rest).resume(true),
      start: () => controller.start(),
      drain: () => controller.drain(this.#node(rest).id!),
      undrain: () => controller.cancelDrain(this.#node(rest).id!),
      doom: () => this.#doom(words[0]!, rest.slice(words[0]!.length + 1)),
      rot: () => rotOne(world, keyNamed(words.at(-1)!)),
      jump: () => this.#process(words[0]!).jumpWallClock(Number.parseInt(words[1]!, 10)),
      end: () => this.fleet.endJob(),
      wait: () => this.#wait(rest),
    };
    const statementOf = carryOut[verb];
    if (statementOf === undefined) throw new Error(`no statement begins with ${verb}`);
    await statementOf();
    return undefined;
  }

  /** What a client that comes later finds, and what the calls saw that they must not see. */
  async outcome(): Promise<string[]> {
    const { world } = this.fleet;
    const reader = this.#client("reader");
    const lines: string[] = [];
    for (const key of [...this.#keys].sort()) {
      const outcome = await this.fleet.until(this.#carryOut(reader, `get ${key}`));
      lines.push(`${key}: ${outcome}`);
    }
    const misplaced = misplacedShards(world);
    const wrong = [...world.violations, ...judge([...this.#clients.values()]), ...misplaced];
    return [...lines, `violations: ${wrong.length === 0 ? "none" : wrong.join("; ")}`];
  }

  async #call(name: string, what: string, inBackground: boolean): Promise<string | undefined> {
    if (what === "ends") {
      const pending = this.#pending.get(name);
      if (pending === undefined) throw new Error(`${name} has begun nothing`);
      this.#pending.delete(name);
      return await this.fleet.until(pending);
    }
    const outcome = this.#carryOut(this.#client(name), what);
    if (!inBackground) return await this.fleet.until(outcome);
    outcome.catch(() => {});
    this.#pending.set(name, outcome);
    return undefined;
  }

  #carryOut(client: SimClient, what: string): Promise<Outcome> {
    const [, key = ""] = what.replace("ref ", "").split(" ");
    this.#keys.add(key);
    return carryOutCall(client, what);
  }

  #client(name: string): SimClient {
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = this.fleet.addClient(name);
      this.#clients.set(name, client);
    }
    return client;
  }

  #node(name: string): SimNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`nobody is named ${name}`);
    return node;
  }

  #process(name: string): SimNode["process"] {
    if (name === "controller") return this.fleet.world.controller.process;
    return this.#nodes.get(name)?.process ?? this.#client(name).process;
  }

  #end(name: string): SimNode["process"] | "nodes" | "*" {
    return name === "nodes" || name === "*" ? name : this.#process(name);
  }

  #crash(name: string): undefined {
    if (name === "controller") this.fleet.world.controller.crash();
    else if (this.#nodes.has(name)) this.#node(name).crash();
    else this.#client(name).process.crash();
  }

  #row(key: string): Row {
    return this.fleet.world.controller.fleet!.state.map.rows[groupOf(Buffer.from(keyNamed(key)))]!;
  }

  /** `A primary of k`, `A backup of k`, `A joining of k`, `A shard 0 of k`, `A other`: one that has no name yet. */
  #name(rest: string): undefined {
    const [name = "", what, ...words] = rest.split(" ");
    const key = words.at(-1) ?? "";
    const unnamed = (ids: readonly number[]): SimNode => {
      const taken = new Set(
        [...this.#nodes.values()].filter(({ process }) => process.alive).map(({ id }) => id),
      );
      const id = ids.find((each) => !taken.has(each as SimNode["id"]));
      if (id === undefined) throw new Error(`nobody is left to be named ${name}`);
      return this.fleet.nodeWith(id);
    };
    const living = this.fleet.world.nodes.flatMap(({ process, id }) => (process.alive ? (id ?? []) : []));
    const choose: Record<string, () => SimNode> = {
      primary: () => this.fleet.nodeWith(this.#row(key).nodes[0]!),
      backup: () => unnamed(this.#row(key).nodes.slice(1)),
      joining: () => unnamed(this.#row(key).joining),
      shard: () => this.fleet.nodeWith(this.fleet.refAt(key).stripes![0]![Number(words[0])]!),
      other: () => unnamed(living),
      receiver: () => this.fleet.receiver(),
    };
    const chosen = choose[what ?? ""]?.();
    if (chosen === undefined) throw new Error(`nobody is ${what}`);
    this.#nodes.set(name, chosen);
  }

  /** `F`, or `F at A` for one at the address where A was. */
  #addNode(rest: string): undefined {
    const [name = "", , old] = rest.split(" ");
    this.#nodes.set(name, this.fleet.addNode(old === undefined ? undefined : this.#node(old).port));
  }

  /** What comes to a writer at its next commit of an object: `dies before`, `dies after`, `freezes 2000ms`. */
  #doom(name: string, what: string): undefined {
    const frozen = /^freezes (\d+)ms$/.exec(what);
    const client = this.#client(name);
    if (frozen !== null) client.doom = { frozenMs: Number(frozen[1]) };
    else client.doom = what === "dies before" ? "dies before" : "dies after";
  }

  async #wait(what: string): Promise<undefined> {
    const ms = /^(\d+)ms$/.exec(what);
    const { scheduler } = this.fleet.world;
    if (ms !== null) {
      await scheduler.run(scheduler.nowMs + Number(ms[1]));
      return;
    }
    const isSo = this.#condition(what.replace(/^until /, ""));
    if (!(await scheduler.run(scheduler.nowMs + waitMsMax, isSo)))
      throw new Error(`it is never so that ${what}`);
  }

  #condition(what: string): () => boolean {
    const { world } = this.fleet;
    if (what === "whole") return () => this.fleet.isWhole();
    if (what === "clean") return () => this.fleet.isWhole() && misplacedShards(world).length === 0;
    const [name = "", verb, key = ""] = what.split(" ");
    const group = groupOf(Buffer.from(keyNamed(key))) as Group;
    const isListed = (state: string): boolean =>
      world.controller.fleet?.state.map.nodes.find(({ id }) => id === this.#node(name).id)?.state === state;
    const conditions: Record<string, () => boolean> = {
      leads: () => this.#row(key).nodes[0] === this.#node(name).id,
      serves: () => this.#node(name).replicas.rows.serves(group),
      joins: () => this.#row(key).joining.some((id) => id === this.#node(name).id),
      dead: () => !isListed("active") && !isListed("draining"),
      frozen: () => this.#process(name).paused,
      joined: () => isListed("active"),
      moved: () => this.fleet.world.nodes.some(({ wroteAtMs }) => wroteAtMs > 0),
      drained: () => this.#node(name).drained,
      ended: () => !this.#process(name).alive,
    };
    const isSo = conditions[verb ?? ""];
    if (isSo === undefined) throw new Error(`nothing is known of ${what}`);
    return isSo;
  }
}

/** What really happens, as the same text: with the outcomes that there are in the place of those that should be. */
export async function playScenario(text: string): Promise<string> {
  const [script = ""] = text.split("\n----\n");
  const lines: string[] = [];
  let scenario: Scenario | undefined;
  for (const line of script.split("\n")) {
    const statement = line.replace(/ -> .*$/, "").trim();
    if (statement === "" || statement.startsWith("#")) {
      lines.push(line);
    } else if (scenario === undefined) {
      scenario = new Scenario(await ScenarioFleet.start(statement));
      lines.push(line);
    } else {
      let outcome: string | undefined;
      try {
        outcome = await scenario.play(statement);
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        outcome = error.code === "INTERNAL" ? `cannot be played: ${error.message}` : error.code;
      }
      lines.push(outcome === undefined ? statement : `${statement} -> ${outcome}`);
    }
  }
  return [...lines, "----", ...(await scenario!.outcome()), ""].join("\n");
}
