/** Starts and stops node processes, and does nothing else: who is in the fleet is decided by who registers. */

export interface NodeSpec {
  readonly controllerUrl: string;
  readonly memoryBytes: number;
  readonly zone?: string;
  /** Gives the start up: what is not ready is ended, and `start` rejects. */
  readonly signal?: AbortSignal;
}

export interface ProvisionedNode {
  /** The provisioner's own name of it, for people: a process, a container, a pod. */
  readonly name: string;
  /** Of the process, when it runs on this machine. */
  readonly pid: number | undefined;
  /** Settles when the node has ended, for whatever reason; never rejects. */
  readonly ended: Promise<void>;
}

export interface Provisioner {
  /** False when nodes are started by somebody else: `start` then says how. */
  readonly startsNodes: boolean;
  /** Resolves when the node is ready to serve. @throws MayflyError NODE_UNREACHABLE when it does not become ready. */
  start(spec: NodeSpec): Promise<ProvisionedNode>;
  /** Asks the node to leave, then makes it; resolves when it has ended. To stop one that has ended does nothing. */
  stop(node: ProvisionedNode): Promise<void>;
  stopAll(): Promise<void>;
}
