/** The side of a driver that is asked by ask-driver.ts: started with an IPC channel, it ends with its parent. */

/** The first one, without an answer, says that the driver is ready; then there is one for each request. */
export type DriverReply =
  | { readonly answer: unknown }
  /** Text for people. */
  | { readonly failed: string };

/** @param open what the driver was given as its argument; resolves with what answers a request */
export async function answerRequests<Target, Request>(
  open: (target: Target) => Promise<(request: Request) => Promise<unknown>>,
): Promise<void> {
  process.once("disconnect", () => process.exit(0));
  try {
    const answer = await open(JSON.parse(process.argv[2] ?? "null") as Target);
    let last: Promise<void> = Promise.resolve();
    process.on("message", (request: Request) => {
      last = last.then(async () => tell({ answer: await answer(request) })).catch(fail);
    });
    tell({ answer: undefined });
  } catch (thrown) {
    fail(thrown);
  }
}

function tell(reply: DriverReply): void {
  if (process.connected) process.send?.(reply);
}

function fail(thrown: unknown): void {
  tell({ failed: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) });
}
