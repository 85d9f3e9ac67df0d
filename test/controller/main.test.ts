import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { runController } from "../../src/controller/main.ts";
import type { StatusReply } from "../../src/wire/control-api.ts";

const mainPath = fileURLToPath(new URL("provisioners/stand-in-node.mjs", import.meta.url));

/** What is written to standard output while `work` runs. */
async function captureOutput(work: (lines: () => string) => Promise<void>): Promise<void> {
  let written = "";
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    written += String(chunk);
    return true;
  });
  try {
    await work(() => written);
  } finally {
    spy.mockRestore();
  }
}

test("it starts its nodes, says that it is ready, and ends cleanly when asked to", async () => {
  const log: string[] = [];
  await captureOutput(async (output) => {
    const options = {
      port: 0,
      nodes: 2,
      nodeMemoryBytes: 1_000_000,
      mainPath,
      log: (line: string) => log.push(line),
    };
    const running = runController(options);
    await vi.waitFor(() => expect(output()).toContain("ready"), { timeout: 20_000, interval: 20 });
    const { ready } = JSON.parse(output()) as { ready: { url: string; nodes: number } };
    expect(ready.nodes).toBe(2);
    const status = (await (await fetch(`${ready.url}/v1/status`)).json()) as StatusReply;
    expect(status).toMatchObject({ state: "serving", nodes: [{ id: 1 }, { id: 2 }] });
    process.emit("SIGTERM");
    await running;
    await expect(fetch(`${ready.url}/v1/health`)).rejects.toThrow();
  });
  expect(log.filter((line) => line.endsWith(" left"))).toHaveLength(2);
});

test("it ends with the error of a node that does not start, and leaves nothing behind", async () => {
  await captureOutput(async (output) => {
    const options = { port: 0, nodes: 1, nodeMemoryBytes: 1, mainPath, log: () => {} };
    await expect(runController(options)).rejects.toMatchObject({ code: "NODE_UNREACHABLE" });
    expect(output()).toBe("");
  });
});

test("nodes without a size are refused", async () => {
  await expect(runController({ port: 0, nodes: 1 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
