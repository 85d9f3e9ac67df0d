/**
 * Every place is a network namespace with one link to a hub, a namespace that forwards between them. A cut is a routing
 * rule of the hub that drops what one address sends to another, so that the sender notices nothing but silence, as with
 * a real network. Needs no more than `ip` and `nsenter`.
 *
 * All of it lives in the enclosure of the run (see enclosure.ts): it goes when the last process of the run has gone, however
 * that came about, and nothing outside of it can see it or clash with its names and addresses.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { MayflyError } from "../../src/errors.ts";
import { Cuts, controllerPlace, controllerPort, everywhere, type Network, type Place } from "./network.ts";

const exec = promisify(execFile);
const hub = "hub";
const hubAddress = "10.77.255.254";
const nodePort = 7401;

export async function createNamespaces(): Promise<Network> {
  const addresses = new Map<string, string>();
  const cuts = new Cuts();
  const preferences = new Map<string, string>();
  let nextPreference = 100;
  let next = 1;
  const controllerHost = newAddress();
  addresses.set(controllerPlace, controllerHost);

  function newAddress(): string {
    const number = next++;
    return `10.77.${number >> 8}.${number & 255}`;
  }

  function addressOf(name: string): string {
    const address = addresses.get(name);
    if (address === undefined) throw new MayflyError("INTERNAL", `there is no place ${name} in this network`);
    return address;
  }

  /** The end in the hub is named after the address, for names of links are short. */
  const linkOf = (address: string): string => `h${address.replaceAll(".", "-").slice(6)}`;

  /** @param namespace undefined: that of this process */
  async function link(address: string, namespace: string | undefined): Promise<void> {
    const inHub = linkOf(address);
    const inPlace = `e${inHub.slice(1)}`;
    await ip("link", "add", inHub, "type", "veth", "peer", "name", inPlace);
    await ip("link", "set", inHub, "netns", hub);
    if (namespace !== undefined) await ip("link", "set", inPlace, "netns", namespace);
    const place = namespace === undefined ? [] : ["-n", namespace];
    await ip(...place, "addr", "add", `${address}/32`, "dev", inPlace);
    await ip(...place, "link", "set", "lo", "up");
    await ip(...place, "link", "set", inPlace, "up");
    await ip(...place, "route", "add", `${hubAddress}/32`, "dev", inPlace);
    await ip(...place, "route", "add", "10.77.0.0/16", "via", hubAddress);
    await ip("-n", hub, "addr", "add", `${hubAddress}/32`, "dev", inHub);
    await ip("-n", hub, "link", "set", inHub, "up");
    await ip("-n", hub, "route", "add", `${address}/32`, "dev", inHub);
  }

  function ruleOf(from: string, to: string): string[] {
    const source = from === everywhere ? [] : ["from", addressOf(from)];
    const target = to === everywhere ? [] : ["to", addressOf(to)];
    return [...source, ...target, "blackhole"];
  }

  await ip("netns", "add", hub);
  await exec("nsenter", [`--net=/run/netns/${hub}`, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  await link(newAddress(), undefined);

  return {
    kind: "namespaces",
    limits: [],
    async addPlace(name): Promise<Place> {
      const address = addresses.get(name) ?? newAddress();
      addresses.set(name, address);
      await ip("netns", "add", name);
      await link(address, name);
      return {
        ...{ name, host: address, port: nodePort },
        controllerUrl: `http://${controllerHost}:${controllerPort}`,
        command: (program, args) => ["nsenter", [`--net=/run/netns/${name}`, program, ...args]],
      };
    },
    async removePlace(name) {
      await ip("-n", hub, "link", "del", linkOf(addressOf(name)));
      await ip("netns", "del", name);
    },
    async cut(from, to) {
      if (!cuts.add(from, to)) return;
      // A rule is deleted by its preference: what it does not name would match any other rule, too.
      const preference = String(nextPreference++);
      preferences.set(`${from} > ${to}`, preference);
      await ip("-n", hub, "rule", "add", "pref", preference, ...ruleOf(from, to));
    },
    async heal(from, to) {
      if (!cuts.remove(from, to)) return;
      const preference = preferences.get(`${from} > ${to}`);
      if (preference !== undefined) await ip("-n", hub, "rule", "del", "pref", preference);
    },
    async close() {
      // The enclosure takes everything along.
    },
  };
}

async function ip(...args: readonly string[]): Promise<void> {
  try {
    await exec("ip", args);
  } catch (thrown) {
    const { message } = MayflyError.from(thrown);
    throw new MayflyError("INTERNAL", `ip ${args.join(" ")} failed: ${message.trim()}`, { cause: thrown });
  }
}
