/** Counts the words of its ranges of files, and sends each word with its count to the partition of the word. */
import { open } from "node:fs/promises";
import { partitionOf, RecordWriter } from "mayfly/records";
import type { FunctionContext } from "../../run-on-fleet.ts";
import {
  codecOf,
  combine,
  type MapEvent,
  type MapResult,
  shuffleName,
  type WordCount,
} from "../word-counts.ts";
import { type FileRange, textOf, wordsOf } from "../words.ts";

export async function mapWords(event: MapEvent, { job, attempt }: FunctionContext): Promise<MapResult> {
  const { map, parts, maps, partitions, codec } = event;
  const shuffle = job.shuffle(shuffleName, { maps, partitions });
  // Ends the attempt when anything fails; what was committed stays.
  await using writer = new RecordWriter<WordCount>(shuffle.writer(map, { attempt }), {
    ...{ codec: codecOf(codec), combine },
    partitionOf: ({ word }) => partitionOf(word, partitions),
  });
  let words = 0;
  for (const part of parts) {
    for await (const text of textOfFile(part)) {
      for (const word of wordsOf(text)) {
        await writer.write({ word, count: 1 });
        words += 1;
      }
    }
  }
  const { records } = await writer.commit();
  return { words, sent: records };
}

async function* textOfFile(part: FileRange): AsyncGenerator<string> {
  const file = await open(part.path, "r");
  try {
    yield* textOf(async (position, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    }, part);
  } finally {
    await file.close();
  }
}
