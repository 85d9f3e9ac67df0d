import { MayflyError } from "../../src/errors.ts";
import type { ClientContext } from "../context.ts";
import { exchangeKey, type Queue, queueNamed } from "../exchange/queue-calls.ts";
import type { ShuffleOptions } from "./interfaces.ts";
import { mapsMax, partitionsMax } from "./layout.ts";

/** The keys of one shuffle; see layout.ts. */
export class ShuffleKeys {
  readonly context: ClientContext;
  readonly name: string;
  readonly maps: number;
  readonly partitions: number;
  readonly notices: Queue;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(context: ClientContext, name: string, { maps, partitions }: ShuffleOptions) {
    checkCount("maps", maps, mapsMax);
    checkCount("partitions", partitions, partitionsMax);
    this.context = context;
    this.name = name;
    this.maps = maps;
    this.partitions = partitions;
    this.notices = queueNamed(context, "shuffle", name);
  }

  output(map: number): Uint8Array {
    return exchangeKey("shuffle", `${this.name}/map/${map}`);
  }

  tables(place: number): Queue {
    return queueNamed(this.context, "shuffle", `${this.name}/rows/${place}`);
  }
}

function checkCount(what: string, count: number, most: number): void {
  if (Number.isSafeInteger(count) && count >= 1 && count <= most) return;
  throw new MayflyError("INVALID_ARGUMENT", `A shuffle has 1 to ${most} ${what}, not ${count}.`);
}
