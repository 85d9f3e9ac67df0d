/** What the SDK in this process asks nodes, and when it is answered, without coming between the two. */
import { onTestFinished, vi } from "vitest";
import { type Argument, Connection } from "../../client/transport/connection.ts";

export interface WatchedRequest {
  /** Behind name and tag. */
  readonly args: readonly Argument[];
  answered: boolean;
}

/** The requests of one command from now on until the test ends, in the order of asking. */
export function watchRequests(command: string): readonly WatchedRequest[] {
  const watched: WatchedRequest[] = [];
  const { request } = Connection.prototype;
  const spy = vi.spyOn(Connection.prototype, "request").mockImplementation(function (
    this: Connection,
    name,
    args,
    options,
  ) {
    const answer = request.call(this, name, args, options);
    if (name === command) {
      const entry = { args, answered: false };
      watched.push(entry);
      const note = (): void => {
        entry.answered = true;
      };
      answer.then(note, () => undefined);
    }
    return answer;
  });
  onTestFinished(() => spy.mockRestore());
  return watched;
}
