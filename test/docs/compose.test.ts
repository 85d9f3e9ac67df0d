import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { isWildcard } from "../../src/cli/fleet-access.ts";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";
import { findVerb } from "../../src/cli/verbs.ts";
import { projectRoot } from "../rules/project-files.ts";

interface Service {
  readonly command: string;
  readonly hostname?: string;
  readonly mem_limit?: string;
  readonly build: { readonly dockerfile_inline: string };
}

const { services } = parse(readFileSync(`${projectRoot}docker-compose.yml`, "utf8"), { merge: true }) as {
  services: Record<string, Service>;
};

/** As Compose splits a command without quotes. */
async function optionsOf(command: string): Promise<{ verb: string; options: Record<string, unknown> }> {
  const found = findVerb(command.split(" "));
  if (found === undefined) throw new Error(`${command} names no verb`);
  return { verb: found.name, options: { ...parseCommandLine(await found.load(), found.args, {}).options } };
}

describe("docker-compose.yml", () => {
  test("starts a controller at an address that tickets can name", async () => {
    const { verb, options } = await optionsOf(services["controller"]!.command);
    expect(verb).toBe("controller");
    expect(isWildcard(String(options["host"]))).toBe(true);
    expect(options["advertise"]).toBe("http://controller:7400");
    expect(options["port"]).toBe(7400);
    expect(options["nodes-initial"]).toBe(Object.keys(services).length - 1);
  });

  const nodes = Object.entries(services).filter(([name]) => name !== "controller");
  test("has six nodes", () => expect(nodes).toHaveLength(6));

  test.each(nodes)("%s is reached at its own name, and fits its container", async (name, service) => {
    const { verb, options } = await optionsOf(service.command);
    expect(verb).toBe("node");
    expect([options["host"], service.hostname]).toEqual([name, name]);
    expect(options["controller"]).toBe("http://controller:7400");
    const limitBytes = Number(/^(\d+)m$/.exec(service.mem_limit ?? "")?.[1]) * 2 ** 20;
    expect(limitBytes).toBeGreaterThanOrEqual(Number(options["memory"]) * 1.1 + 64 * 2 ** 20);
  });

  test("builds an image whose mayfly is the package's", () => {
    const { bin } = JSON.parse(readFileSync(`${projectRoot}package.json`, "utf8")) as {
      bin: { mayfly: string };
    };
    for (const { build } of Object.values(services)) {
      expect(build.dockerfile_inline).toContain(bin.mayfly.replace("./", "/mayfly/"));
      expect(build.dockerfile_inline).toContain('ENTRYPOINT ["mayfly"]');
    }
  });
});
