/** Encodes the pictures of an animated GIF as a chain of functions, and compares with one process that encodes all of them. */
import { writeFile } from "node:fs/promises";
import { MayflyError } from "mayfly";
import { type Context, countOption, runProgram } from "../command-line.ts";
import { fleetOptions, fleetPlan, runOnFleet } from "../run-on-fleet.ts";
import { chainReport } from "./chain-report.ts";
import { encodeSerially } from "./chunk.ts";
import { stepMax, stepMin } from "./codec.ts";
import { framesOf, plateFile, readFilm } from "./film.ts";
import { type ChainResult, runChain } from "./run-chain.ts";
import { joinStream, packChunk } from "./stream.ts";

const options = {
  gif: { value: "FILE", help: "encode this animated GIF (an engraving that moves, of the package gifwrap)" },
  links: { value: "COUNT", help: "functions of the chain (8)", short: "l" },
  frames: {
    value: "COUNT",
    help: "frames that each of them encodes (3); the film is repeated as needed",
    short: "f",
  },
  step: {
    value: "STEP",
    help: `step of the quantizer, ${stepMin} to ${stepMax}: larger is smaller and worse (8)`,
  },
  output: { value: "FILE", help: "write the coded stream there", short: "o" },
  "no-check": { help: "do not compare with one process that encodes all frames" },
  ...fleetOptions,
};

await runProgram({
  name: "excamera-chain",
  summary: "encodes a film with functions that hand on the state of the encoder",
  args: "",
  options,
  examples: [
    "",
    "--links 16 --frames 6 --workers 4 --json",
    "--fail-rate 0.3",
    "--gif film.gif --output film.mfch",
  ],
  run,
});

async function run({ values, signal, progress }: Context<typeof options>) {
  const links = countOption("links", values.links, 8, 1, 1024);
  const framesPerLink = countOption("frames", values.frames, 3, 1, 1024);
  const step = countOption("step", values.step, 8, stepMin, stepMax);
  const plan = fleetPlan("excamera-chain", values);
  const film = await readFilm(values.gif ?? plateFile());
  const frames = framesOf(film, links * framesPerLink);
  const coding = { width: film.width, height: film.height, step };
  let seconds = 0;
  const result = await runOnFleet(plan, signal, async ({ job, executor, betweenStages }) => {
    const startMs = performance.now();
    const onProgress = (ready: number): void => {
      if (ready === 1) betweenStages();
      progress("links", ready, links);
    };
    const chain = await runChain({ job, executor, coding, frames, framesPerLink, onProgress });
    seconds = (performance.now() - startMs) / 1000;
    return chain;
  });
  const isEqual = values["no-check"] ? undefined : check(result);
  if (values.output !== undefined) await write(values.output, result.stream);
  return chainReport({ coding, frames, result, seconds, isEqual });

  /** @throws MayflyError DAMAGED */
  function check({ stream }: ChainResult): true {
    const serial = joinStream(coding, [packChunk(encodeSerially(coding, frames))]);
    if (Buffer.compare(serial, stream) === 0) return true;
    throw new MayflyError("DAMAGED", "the chain made other bytes than one process does");
  }
}

async function write(file: string, stream: Uint8Array): Promise<void> {
  await writeFile(file, stream).catch((cause: Error) => {
    throw new MayflyError("OUTPUT_FAILED", `${file} cannot be written: ${cause.message}`, { cause });
  });
}
