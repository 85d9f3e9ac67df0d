/** A controller: state, clockwork, HTTP and provisioner put together. */

import type { ObjectStore } from "../durable/object-store.ts";
import { MayflyError } from "../errors.ts";
import { type Admission, createAdmission } from "./admission.ts";
import { type DecisionFile, openDecisionFile } from "./autoscale/decision-file.ts";
import { type Autoscaler, createAutoscaler } from "./execute-autoscale.ts";
import { createScaler, type Scaler } from "./execute-scale.ts";
import { type Fleet, openFleet } from "./fleet.ts";
import { type FleetState, livingNodes } from "./fleet-state.ts";
import { createHibernator, type Hibernator } from "./hibernation/execute-hibernation.ts";
import { createHttpApp } from "./http-app.ts";
import { createNodeSupply, type NodeSupply } from "./node-supply.ts";
import { type ControllerOptions, type ControllerSettings, resolveOptions } from "./options.ts";
import { observeEnds } from "./provisioners/observe-ends.ts";
import type { ProvisionedNode, Provisioner } from "./provisioners/provisioner.ts";
import { createStaticProvisioner } from "./provisioners/static.ts";
import type { App, RouteContext } from "./routes/route-context.ts";
import { findStoredState, seededStore } from "./state-store/find-stored-state.ts";
import { openJournal } from "./state-store/journal.ts";
import { createMemoryStore } from "./state-store/memory-store.ts";
import type { StateStore } from "./state-store/state-store.ts";
import { withStoredCopy } from "./state-store/stored-copy.ts";
import { createSweeper, type Sweeper } from "./sweep/execute-sweep.ts";
import { type FleetWatch, watchFleet } from "./watch-fleet.ts";

export interface Controller {
  /** Where it listens, like http://127.0.0.1:7400; known once `listen` has resolved. */
  readonly url: string;
  /** The newest state that counts; for tests and for looking at. */
  readonly state: FleetState;
  readonly provisioner: Provisioner;
  /**
   * Takes the fleet over and serves. Resolves to `url`.
   *
   * @throws MayflyError PORT_IN_USE; DAMAGED or UNAVAILABLE when the state cannot be read or written.
   */
  listen(): Promise<string>;
  /**
   * Starts nodes like those that it starts by itself, and waits until all serve. Their ends are noticed at once.
   *
   * @throws MayflyError NODE_UNREACHABLE when one does not start, INVALID_ARGUMENT when nodes are started by hand
   */
  startNodes(count: number): Promise<readonly ProvisionedNode[]>;
  /**
   * Stops the provisioner's nodes, then serving. What was stored stays, and so does what was spilled for jobs that are alive, unless
   * nobody is going to know of the fleet any more. To close twice does nothing.
   */
  close(options?: { readonly isForgotten?: boolean }): Promise<void>;
}

interface Running {
  readonly app: App;
  readonly url: string;
  readonly store: StateStore;
  readonly watch: FleetWatch;
  readonly supply: NodeSupply;
  readonly scaler: Scaler;
  readonly autoscaler: Autoscaler | undefined;
  readonly hibernator: Hibernator;
  readonly objects: ObjectStore | undefined;
  readonly admission: Admission;
  readonly decisions: DecisionFile | undefined;
  readonly sweeper: Sweeper | undefined;
}

/**
 * A controller that does not listen yet.
 *
 * @param startsNodes a provisioner; by default one for nodes that are started by hand
 * @throws MayflyError INVALID_ARGUMENT for options outside their limits.
 */
export function createController(
  options: ControllerOptions = {},
  startsNodes: Provisioner = createStaticProvisioner(),
): Controller {
  const settings = resolveOptions(options);
  if (settings.autoscale !== undefined && !startsNodes.startsNodes) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      "the autoscaler needs a provisioner that starts nodes; leave autoscale out, or give one",
    );
  }
  let fleet: Fleet | undefined;
  let running: Running | undefined;
  const mustRun = (): Running => {
    if (running === undefined) throw new RangeError("the controller is not listening");
    return running;
  };
  const inCharge = (): Running => {
    if (running === undefined) throw starting();
    return running;
  };
  const context: RouteContext = {
    get fleet() {
      if (fleet === undefined) throw starting();
      return fleet;
    },
    get scaler() {
      return inCharge().scaler;
    },
    get admission() {
      return inCharge().admission;
    },
    get hibernator() {
      return inCharge().hibernator;
    },
    get autoscaler() {
      return inCharge().autoscaler;
    },
    url: () => settings.advertiseUrl ?? mustRun().url,
  };
  const provisioner = observeEnds(startsNodes, (node) => void probeEnded(node));

  async function takeOver(
    of: Fleet,
    app: App,
    url: string,
    { store, objects }: OpenStores,
  ): Promise<Running> {
    const { autoscale, decisionLog, log } = settings;
    const isLogged = autoscale !== undefined && decisionLog !== undefined;
    const decisions = isLogged
      ? await openDecisionFile({ path: decisionLog, policy: autoscale, log })
      : undefined;
    const supply = createNodeSupply(of, provisioner, url);
    const scaler = createScaler(of, supply, url);
    const autoscaler =
      autoscale && createAutoscaler(of, supply, autoscale, (record) => decisions?.append(record));
    const admission = createAdmission(of, supply, autoscaler);
    const { durableUrl } = settings;
    const sweeper = durableUrl === undefined ? undefined : createSweeper(of, durableUrl, url);
    const hibernator = createHibernator(of, supply, objects, url);
    const watch = watchFleet(of, () => {
      if (hibernator.isAwake) {
        scaler.look();
        autoscaler?.look();
      }
      hibernator.look();
      sweeper?.look();
    });
    return {
      ...{ app, url, store, objects, watch, supply, scaler, autoscaler },
      ...{ hibernator, admission, decisions, sweeper },
    };
  }

  /** Several machines may have a process of that number: what listens there tells. */
  async function probeEnded({ pid }: ProvisionedNode): Promise<void> {
    if (fleet === undefined || running === undefined || pid === undefined) return;
    const { state, vitals } = fleet;
    for (const node of livingNodes(state)) {
      if (vitals.node(node.id)?.pid === pid) await running.watch.prober.probe(node);
    }
  }

  return {
    provisioner,
    get url() {
      return mustRun().url;
    },
    get state() {
      return context.fleet.state;
    },
    async listen() {
      if (running !== undefined) return running.url;
      // The port comes first: to take the fleet over is to fence off the controller that may be there already.
      const app = await createHttpApp(context);
      const url = await bind(app, settings);
      try {
        const stores = await openStores(options, settings);
        fleet = await openFleet(settings, stores.store);
        running = await takeOver(fleet, app, url, stores);
      } catch (thrown) {
        await app.close();
        throw thrown;
      }
      return url;
    },
    async startNodes(count) {
      const { supply } = mustRun();
      return await Promise.all(Array.from({ length: count }, () => supply.startOne()));
    },
    async close({ isForgotten = false } = {}) {
      // Those that end now are not to be replaced.
      running?.supply.stop();
      await provisioner.stopAll();
      const closing = running;
      running = undefined;
      closing?.watch.stop();
      await closing?.sweeper?.stop(isForgotten);
      closing?.hibernator.stop();
      fleet?.news.close();
      await closing?.app.close();
      await closing?.decisions?.close();
      fleet = undefined;
      if (options.store === undefined || closing?.objects !== undefined) await closing?.store.close();
      closing?.objects?.close();
    },
  };
}

function starting(): MayflyError {
  return new MayflyError("UNAVAILABLE", "the controller is starting or stopping; try again", {
    retryAfterMs: 500,
  });
}

interface OpenStores {
  readonly store: StateStore;
  /** The fleet's object store, if it has one: there is a copy of the state in it. */
  readonly objects: ObjectStore | undefined;
}

async function openStores(options: ControllerOptions, settings: ControllerSettings): Promise<OpenStores> {
  const { stateDir, durableUrl, restore } = options;
  const own = options.store ?? (stateDir === undefined ? createMemoryStore() : await openJournal(stateDir));
  if (durableUrl === undefined) return { store: own, objects: undefined };
  const objects = await settings.openObjectStore(durableUrl);
  const { clock, rng, log } = settings;
  const from = restore && seededStore(own, await findStoredState(objects, restore.fleet));
  return { store: withStoredCopy(from ?? own, objects, { clock, rng, log }), objects };
}

async function bind(app: App, { host, port }: ControllerSettings): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (thrown) {
    await app.close();
    throw bindError(thrown, host, port);
  }
  const address = app.server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;
}

function bindError(thrown: unknown, host: string, port: number): MayflyError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "EADDRINUSE") {
    return new MayflyError(
      "PORT_IN_USE",
      `port ${port} of ${host} is taken, perhaps by another controller; stop it, or choose another port: ` +
        `mayfly controller --port ${port + 1 > 65_535 ? 0 : port + 1} (0 takes a free one)`,
      { cause: thrown },
    );
  }
  const why = MayflyError.from(thrown).message;
  return new MayflyError("INVALID_ARGUMENT", `the controller cannot listen on ${host}:${port}: ${why}`, {
    cause: thrown,
  });
}
