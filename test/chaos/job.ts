import { ControllerClient } from "../../client/controller-client.ts";
import type { Code } from "../../src/placement/types.ts";

/** The ticket of a new job with this code. */
export async function createJob(controllerUrl: string, code: Code): Promise<string> {
  const controller = new ControllerClient(controllerUrl);
  try {
    return (await controller.createJob({ name: "chaos", code, leaseMs: 3_600_000 })).ticket;
  } finally {
    controller.close();
  }
}
