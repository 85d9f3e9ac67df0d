/** The CLI without a process of its own: its exit code, and what it wrote. */
import { Readable, Writable } from "node:stream";
import { runCli } from "../../src/cli/run-cli.ts";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface CliWorld {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string | Uint8Array;
  /** Standard output is a terminal. */
  readonly terminal?: boolean;
}

export async function runInProcess(args: readonly string[], world: CliWorld = {}): Promise<CliResult> {
  const stdout = collector(world.terminal ?? false);
  const stderr = collector(false);
  const code = await runCli(args, {
    env: world.env ?? {},
    stdin: Readable.from([Buffer.from(world.stdin ?? "")]),
    ...{ stdout: stdout.stream, stderr: stderr.stream },
  });
  const stdoutBytes = stdout.bytes();
  return { code, stdoutBytes, stdout: stdoutBytes.toString(), stderr: stderr.bytes().toString() };
}

function collector(isTTY: boolean): { stream: Writable & { isTTY: boolean }; bytes(): Buffer } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      // The memory may be used again for what comes next.
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY }), bytes: () => Buffer.concat(chunks) };
}
