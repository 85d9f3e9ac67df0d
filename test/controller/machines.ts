/** A provisioner of test nodes, which live as long as the test lets time pass. */
import type {
  NodeSpec,
  ProvisionedNode,
  Provisioner,
} from "../../src/controller/provisioners/provisioner.ts";
import { MayflyError } from "../../src/errors.ts";
import type { TestFleet, TestNode } from "./test-fleet.ts";

/** Starts nodes that do what the map says, and end when they are drained. */
export class Machines implements Provisioner {
  readonly startsNodes: boolean = true;
  readonly nodes: TestNode[] = [];
  readonly specs: NodeSpec[] = [];
  readonly ends = new Map<TestNode, () => void>();
  failures = 0;
  fleet: TestFleet | undefined;

  async start(spec: NodeSpec): Promise<ProvisionedNode> {
    this.specs.push(spec);
    if (this.failures > 0) {
      this.failures--;
      throw new MayflyError("NODE_UNREACHABLE", "no machine is free");
    }
    const node = await this.fleet!.addNode();
    this.nodes.push(node);
    const ended = new Promise<void>((resolve) => this.ends.set(node, resolve));
    return { name: `machine ${node.id}`, pid: 1, ended };
  }

  async stop(): Promise<void> {}
  async stopAll(): Promise<void> {}

  end(node: TestNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1);
    this.ends.get(node)?.();
  }

  /** A tenth of a second in which all nodes do what they are told. */
  async round(): Promise<void> {
    for (const node of [...this.nodes]) {
      const { drained } = await node.obey();
      if (drained === true) this.end(node);
    }
    await this.fleet!.clock.advance(100);
    // What was begun in that time are requests of their own.
    for (let i = 0; i < 3; i++) await this.fleet!.call("GET", "/v1/health");
  }

  async until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if (await isSo()) return;
      await this.round();
    }
    throw new Error(`never: ${what}`);
  }
}
