/**
 * Nodes with real memory, real shards and the real commands for them, and between them calls that a test can break. The
 * cells are one shared map: what is replicated, and how, is tested elsewhere.
 */

import { objectCommands } from "../../../cache-node/commands/object-commands.ts";
import { shardCommands } from "../../../cache-node/commands/shard-commands.ts";
import { JobDirectory } from "../../../cache-node/job-directory.ts";
import type { NodeCore } from "../../../cache-node/node-core.ts";
import { Relocation } from "../../../cache-node/relocation/relocation.ts";
import type { CommittedRef, RelocationCells } from "../../../cache-node/relocation/relocation-cells.ts";
import type { Call, Command, WriteReply } from "../../../cache-node/server/call.ts";
import { createNodeMemory, type NodeMemory } from "../../../cache-node/store/node-memory.ts";
import { ShardStore } from "../../../cache-node/store/shard-store.ts";
import type { Argument, RequestOptions } from "../../../client/transport/connection.ts";
import { overError } from "../../../client/transport/deadline.ts";
import type { FleetView } from "../../../client/transport/fleet-view.ts";
import type { NodePool } from "../../../client/transport/node-pool.ts";
import { seededRng } from "../../../src/clock.ts";
import { MayflyError } from "../../../src/errors.ts";
import {
  type Group,
  type JobNumber,
  jobNumber,
  type NodeId,
  newObjectId,
  nodeId,
  type ObjectId,
} from "../../../src/ids.ts";
import { groupCount, groupOf } from "../../../src/placement/groups.ts";
import type { Code, FleetMap, NodeEntry, NodeState } from "../../../src/placement/types.ts";
import { decodeRef, encodeRef, type Ref } from "../../../src/wire/ref.ts";
import type { RespValue } from "../../../src/wire/resp-value.ts";
import type { RespWriter } from "../../../src/wire/resp-writer.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { fakeHeap } from "../store/fakes.ts";
import { type CodedObject, type CodedShard, codeObject } from "./coded-object.ts";

export const job: JobNumber = jobNumber(1);
const mebibyte = 2 ** 20;
const latencyMs = 1;

export interface FakeNode {
  readonly id: NodeId;
  readonly memory: NodeMemory;
  readonly shards: ShardStore;
  readonly jobs: JobDirectory;
  readonly relocation: Relocation;
  readonly commands: ReadonlyMap<string, Command>;
  /** Takes requests and never answers them. */
  frozen: boolean;
  /** Refuses connections. */
  down: boolean;
  /** Answers writes with BUSY. */
  full: boolean;
}

export interface Asked {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly name: string;
  readonly args: readonly Argument[];
}

export interface FakeFleetOptions {
  readonly nodes: number;
  readonly nodeMemoryBytes?: number;
  readonly seed?: number;
  readonly bytesPerSecond?: number;
  readonly stripesPerCommit?: number;
  readonly orphans?: { readonly checkMs: number; readonly afterMs: number; readonly confirmedMs: number };
}

interface ParsedKey {
  readonly of: JobNumber;
  readonly name: string;
  readonly group: Group;
}

export class FakeFleet {
  readonly clock = new FakeClock();
  readonly rng;
  readonly nodes = new Map<NodeId, FakeNode>();
  readonly asked: Asked[] = [];
  readonly cells = new Map<string, Uint8Array>();
  readonly aborted = new Set<ObjectId>();
  /** What was written, by object. */
  readonly objects = new Map<ObjectId, CodedObject>();
  /** Called before a relocation takes effect; what it throws the relocator gets. */
  onRelocate: (name: string) => void | Promise<void> = () => undefined;
  /** Called before each request is carried out; what it throws the caller gets. */
  onAsk: (asked: Asked) => void | Promise<void> = () => undefined;
  map: FleetMap;
  relocations = 0;
  readonly #parsed = new Map<string, ParsedKey>();

  constructor(options: FakeFleetOptions) {
    this.rng = seededRng(options.seed ?? 7);
    const entries = Array.from({ length: options.nodes }, (_, i): NodeEntry => {
      const id = nodeId(i + 1);
      return { id, host: "fake", port: 7000 + id, state: "active", weight: 100, zone: "" };
    });
    const rows = Array.from({ length: groupCount }, (_, group) => ({
      ...{ generation: 1, joining: [], born: 0, lostJobs: 0 },
      nodes: [entries[group % options.nodes]!.id],
    }));
    this.map = { epoch: { term: 1, n: 1 }, nodes: entries, rows, backups: 0 };
    for (const { id } of entries) this.nodes.set(id, this.#createNode(id, options));
    this.#publish();
  }

  node(id: number): FakeNode {
    return this.nodes.get(nodeId(id))!;
  }

  /** The node that leads the group of a key. */
  primary(key: string): FakeNode {
    return this.nodes.get(this.map.rows[groupOf(Buffer.from(key))]!.nodes[0]!)!;
  }

  /** A new map in which the nodes have these states; `gone` takes one out of it. Dead ones lead nothing. */
  change(
    states: Readonly<Record<number, NodeState | "gone">>,
    weights: Readonly<Record<number, number>> = {},
  ): void {
    const nodes = this.map.nodes.flatMap((entry) => {
      const state = states[entry.id] ?? entry.state;
      const weight = state === "active" ? (weights[entry.id] ?? entry.weight) : 0;
      return state === "gone" ? [] : [{ ...entry, state, weight }];
    });
    const living = nodes.filter(({ state }) => state !== "dead").map(({ id }) => id);
    const moved: Group[] = [];
    const rows = this.map.rows.map((row, group) => {
      if (living.includes(row.nodes[0]!)) return row;
      moved.push(group as Group);
      return { ...row, generation: row.generation + 1, nodes: [living[group % living.length]!] };
    });
    const { term, n } = this.map.epoch;
    this.map = { ...this.map, epoch: { term, n: n + 1 }, nodes, rows };
    for (const [id, state] of Object.entries(states)) {
      if (state === "dead" || state === "gone") this.node(Number(id)).down = true;
    }
    this.#publish();
    for (const group of moved) this.nodes.get(rows[group]!.nodes[0]!)!.relocation.groupActivated(group);
  }

  /** Gives the group of a key to another node. */
  lead(key: string, id: number): void {
    const group = groupOf(Buffer.from(key));
    const rows = [...this.map.rows];
    const old = this.primary(key);
    rows[group] = { ...rows[group]!, generation: rows[group]!.generation + 1, nodes: [nodeId(id)] };
    const { term, n } = this.map.epoch;
    this.map = { ...this.map, epoch: { term, n: n + 1 }, rows };
    this.#publish();
    old.relocation.groupLeft(group);
    this.node(id).relocation.groupActivated(group);
  }

  /** Codes the bytes and puts the shards where the placement says; nothing is committed. */
  store(
    key: string,
    bytes: Uint8Array,
    code: Code,
    placement: readonly (readonly number[])[],
    of = job,
  ): CodedObject {
    const object = newObjectId(groupOf(Buffer.from(key)), this.rng.bytes(16));
    const stripes = placement.map((nodes) => nodes.map(nodeId));
    const coded = codeObject({ job: of, object, key, bytes, code, stripes });
    for (const shard of coded.shards) this.put(coded, shard, coded.ref.stripes![shard.stripe]![shard.index]!);
    this.objects.set(object, coded);
    return coded;
  }

  put({ ref, job: of }: CodedObject, { stripe, index, payload, sums }: CodedShard, on: NodeId): void {
    const { shards, jobs } = this.nodes.get(on)!;
    jobs.note(of);
    const space = shards.reserve(of, payload.length + sums.length)!;
    space.block.view().set(payload);
    space.block.view().set(sums, payload.length);
    shards.keep({ object: ref.object, stripe, index }, space, payload.length);
  }

  commit({ ref, job: of }: CodedObject): void {
    if (this.aborted.has(ref.object)) throw new MayflyError("FREED", "aborted");
    this.cells.set(cellKey(of, ref.key), encodeRef(ref));
  }

  write(key: string, bytes: Uint8Array, code: Code, placement: readonly (readonly number[])[]): CodedObject {
    const coded = this.store(key, bytes, code, placement);
    this.commit(coded);
    return coded;
  }

  delete(key: string, of = job): void {
    this.cells.delete(cellKey(of, Buffer.from(key)));
  }

  refAt(key: string, of = job): Ref {
    return decodeRef(this.cells.get(cellKey(of, Buffer.from(key)))!);
  }

  /** The shard as the node has it, or undefined. */
  shardOn(id: NodeId, coded: CodedObject, stripe: number, index: number): Buffer | undefined {
    const shard = this.nodes.get(id)!.shards.get(coded.job, { object: coded.ref.object, stripe, index });
    return shard && Buffer.from(shard.block.view());
  }

  /** What is wrong with the object: stripes that share a node, nodes that are not active, shards with other bytes. */
  faults(key: string): string[] {
    const ref = this.refAt(key);
    const coded = this.objects.get(ref.object)!;
    const active = new Set(this.map.nodes.filter(({ state }) => state === "active").map(({ id }) => id));
    return (ref.stripes ?? []).flatMap((nodes, stripe) => [
      ...(new Set(nodes).size === nodes.length ? [] : [`stripe ${stripe} has a node twice: ${nodes}`]),
      ...nodes.flatMap((node, index) => {
        const what = `shard ${stripe}/${index} on node ${node}`;
        if (!active.has(node)) return [`${what}, which is not active`];
        const found = this.shardOn(node, coded, stripe, index);
        const shard = coded.shards.find((each) => each.stripe === stripe && each.index === index)!;
        if (found === undefined) return [`${what} is not there`];
        return found.equals(Buffer.concat([shard.payload, shard.sums])) ? [] : [`${what} has other bytes`];
      }),
    ]);
  }

  /** Shards on living nodes that no ref names. */
  strays(): string[] {
    const named = new Set<string>();
    for (const value of this.cells.values()) {
      const { object, stripes } = decodeRef(value);
      for (const [stripe, nodes] of (stripes ?? []).entries()) {
        for (const [index, node] of nodes.entries()) named.add(`${node} ${object} ${stripe} ${index}`);
      }
    }
    return [...this.nodes.values()].flatMap(({ id, shards, down }) => {
      const stored = down ? [] : shards.jobs().flatMap((each) => [...shards.shardsOf(each)]);
      return stored
        .map(
          ([key]) =>
            `${id} ${key.slice(0, 16)} ${key.charCodeAt(16) * 256 + key.charCodeAt(17)} ${key.charCodeAt(18)}`,
        )
        .filter((name) => !named.has(name));
    });
  }

  get settled(): boolean {
    return this.living().every(({ relocation }) => relocation.relocator.settled);
  }

  living(): FakeNode[] {
    return [...this.nodes.values()].filter(({ down, frozen }) => !down && !frozen);
  }

  /** Lets time pass until it is so. */
  async until(what: string, isSo: () => boolean, limitMs = 120_000): Promise<void> {
    for (const endMs = this.clock.now() + limitMs; !isSo(); ) {
      if (this.clock.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.clock.advance(5);
    }
  }

  async relocated(): Promise<void> {
    await this.clock.advance(5);
    await this.until("all is relocated", () => this.settled);
    // What relocations left behind is freed a while later.
    await this.clock.advance(3000);
  }

  /** What something else on the node that moves objects works with. */
  partsOf(id: number): {
    readonly view: Pick<FleetView, "current" | "epoch" | "node">;
    readonly pool: Pick<NodePool, "connection">;
    readonly cells: RelocationCells;
  } {
    return { view: this.#viewOf(), pool: this.#poolOf(nodeId(id)), cells: this.#cellsOf(nodeId(id)) };
  }

  #publish(): void {
    for (const { relocation, down } of this.nodes.values()) if (!down) relocation.mapChanged(this.map);
  }

  #createNode(id: NodeId, options: FakeFleetOptions): FakeNode {
    const { clock } = this;
    const limitBytes = options.nodeMemoryBytes ?? 16 * mebibyte;
    const memory = createNodeMemory({ limitBytes, clock, heap: fakeHeap(), touchBytesPerStep: 0 });
    const shards = new ShardStore(memory);
    const jobs = new JobDirectory();
    const { checkMs, afterMs, confirmedMs } = options.orphans ?? {};
    const relocation = new Relocation({
      ...{ clock, rng: seededRng((options.seed ?? 7) * 1000 + id), self: () => id, shards, jobs },
      view: this.#viewOf(),
      pool: this.#poolOf(id),
      cells: this.#cellsOf(id),
      scratchBytes: 8 * mebibyte,
      ...{ bytesPerSecond: () => options.bytesPerSecond, stripesPerCommit: options.stripesPerCommit },
      ...{ orphanCheckMs: checkMs, orphanAfterMs: afterMs, orphanConfirmedMs: confirmedMs },
    });
    const pressure = (): undefined => undefined;
    const core = { clock, shards, jobs, memory, pressure, nodeIdOrZero: () => id } as unknown as NodeCore;
    const commands = [...shardCommands(core), ...objectCommands(() => relocation)];
    const byName = new Map(commands.map((command) => [command.name, command]));
    return {
      id,
      memory,
      shards,
      jobs,
      relocation,
      commands: byName,
      frozen: false,
      down: false,
      full: false,
    };
  }

  #viewOf(): Pick<FleetView, "current" | "epoch" | "node"> {
    const fleet = this;
    return {
      get current() {
        return fleet.map;
      },
      get epoch() {
        return fleet.map.epoch;
      },
      node: (id) => fleet.map.nodes.find((entry) => entry.id === id),
    };
  }

  #poolOf(from: NodeId): Pick<NodePool, "connection"> {
    const connection = (address: { port: number }) => {
      const to = nodeId(address.port - 7000);
      const request = (
        name: string,
        args: readonly Argument[],
        options: RequestOptions,
      ): Promise<RespValue> => this.#request({ from, to, name, args }, options);
      return { request };
    };
    return { connection } as unknown as Pick<NodePool, "connection">;
  }

  async #request(asked: Asked, { deadline, targetOf }: RequestOptions): Promise<RespValue> {
    this.asked.push(asked);
    const target = this.nodes.get(asked.to)!;
    const unreachable = (): MayflyError => new MayflyError("NODE_UNREACHABLE", `node ${asked.to} is down`);
    await this.#delay(latencyMs);
    await this.onAsk(asked);
    if (target.down || this.nodes.get(asked.from)!.down) throw unreachable();
    if (target.full && asked.name === "MF.SHARD.WRITE") throw new MayflyError("BUSY", "full");
    while (target.frozen) {
      await this.#delay(20);
      const over = overError(deadline);
      if (over !== undefined) throw over;
    }
    const reply = await carryOut(target, asked, targetOf);
    await this.#delay(latencyMs);
    if (target.down) throw unreachable();
    const over = overError(deadline);
    if (over !== undefined) throw over;
    return reply;
  }

  #parse(key: string): ParsedKey {
    let parsed = this.#parsed.get(key);
    if (parsed === undefined) {
      const space = key.indexOf(" ");
      const name = key.slice(space + 1);
      parsed = {
        of: jobNumber(Number(key.slice(0, space))),
        name,
        group: groupOf(Buffer.from(name, "latin1")),
      };
      this.#parsed.set(key, parsed);
    }
    return parsed;
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  #cellsOf(self: NodeId): RelocationCells {
    const leads = (group: Group): boolean => this.map.rows[group]!.nodes[0] === self;
    const fleet = this;
    return {
      groups: () => Array.from({ length: groupCount }, (_, group) => group as Group).filter(leads),
      reads: leads,
      *refs(wanted): Iterable<CommittedRef> {
        for (const [key, value] of fleet.cells) {
          const { of, name, group } = fleet.#parse(key);
          if (group === wanted) yield { job: of, name, value };
        }
      },
      ref: (of, group, name) => {
        const value = leads(group) ? fleet.cells.get(`${of} ${name}`) : undefined;
        return value && Buffer.from(value);
      },
      async relocate(of, group, name, object, value) {
        await fleet.#delay(latencyMs);
        await fleet.onRelocate(name);
        if (!leads(group)) throw new MayflyError("MOVED", "another node leads the row");
        const now = fleet.cells.get(`${of} ${name}`);
        if (now === undefined || decodeRef(now).object !== object) return false;
        fleet.cells.set(`${of} ${name}`, Buffer.from(value));
        fleet.relocations += 1;
        await fleet.#delay(latencyMs);
        return true;
      },
      async abort(_of, group, object) {
        await fleet.#delay(latencyMs);
        if (!leads(group)) throw new MayflyError("MOVED", "another node leads the row");
        for (const value of fleet.cells.values()) if (decodeRef(value).object === object) return false;
        fleet.aborted.add(object);
        return true;
      },
    };
  }
}

function cellKey(of: JobNumber, key: Uint8Array): string {
  return `${of} ${Buffer.from(key).toString("latin1")}`;
}

async function carryOut(
  node: FakeNode,
  { name, args, from }: Asked,
  targetOf: RequestOptions["targetOf"],
): Promise<RespValue> {
  const command = node.commands.get(name);
  if (command === undefined) throw new Error(`no command ${name}`);
  const bytes = [name, 1, ...args].map((arg) =>
    typeof arg === "string" || typeof arg === "number"
      ? Buffer.from(String(arg))
      : Buffer.from(arg as Uint8Array),
  );
  const { min, max = Number.POSITIVE_INFINITY } = command.args;
  if (bytes.length < min || bytes.length > max) throw new Error(`${name} with ${bytes.length} arguments`);
  let reply: RespValue | undefined;
  const call: Call = {
    args: bytes,
    bodies: [],
    connection: {
      ...{ id: 1, writer: undefined as unknown as RespWriter, clientName: "" },
      claims: { scope: "fleet", job: 0, node: from, expiresAtMs: 1e15 },
      pinUntilSent: () => undefined,
      endAfterReply: () => undefined,
    },
    reply: (write) => {
      reply = replyValue(write, targetOf);
    },
  };
  await command.handle(call);
  if (reply === undefined) throw new Error(`${name} got no answer`);
  return reply;
}

/** The value that a reply is, with bodies received where the caller wants them. */
function replyValue(write: WriteReply, targetOf: RequestOptions["targetOf"]): RespValue {
  let root: RespValue | undefined;
  const open: { items: RespValue[]; length: number }[] = [];
  const add = (value: RespValue): void => {
    const top = open.at(-1);
    if (top === undefined) root = value;
    else top.items.push(value);
    while (open.length > 0 && open.at(-1)!.items.length === open.at(-1)!.length) open.pop();
  };
  const writer = {
    arrayHeader(length: number) {
      const items: RespValue[] = [];
      const top = open.at(-1);
      if (top === undefined) root = items;
      else top.items.push(items);
      if (length > 0) open.push({ items, length });
    },
    bulk(bytes: Uint8Array) {
      const target = targetOf?.(
        bytes.length,
        open.map(({ items }) => items.length),
      );
      const received = target ?? Buffer.alloc(bytes.length);
      received.set(bytes);
      add(received);
    },
    simple: (text: string) => add(text),
    integer: (value: number) => add(value),
    null: () => add(null),
  };
  write(writer as unknown as RespWriter);
  return root!;
}
