/** What the exchange scenario measures. */

export interface HandOverCase {
  readonly name: string;
  readonly messageBytes: number;
}

export interface BarrierCase {
  readonly name: string;
  readonly clients: number;
  readonly processes: number;
}

/** What a test of the scenario makes smaller. */
export interface ExchangeScale {
  /** Messages there and back, in each sample. */
  readonly roundTrips: number;
  readonly clients: number;
  readonly processes: number;
}

export const exchangeScaleDefault: ExchangeScale = { roundTrips: 1000, clients: 1000, processes: 10 };

const kib = 1024;

export const handOverCases: readonly HandOverCase[] = [
  { name: "hand-over 16KiB", messageBytes: 16 * kib },
  { name: "hand-over 1KiB", messageBytes: kib },
];

export function barrierCase({ clients, processes }: ExchangeScale): BarrierCase {
  return { name: `barrier of ${clients} clients`, clients, processes };
}
