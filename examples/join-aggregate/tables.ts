/**
 * Tables in the style of TPC-H, made row by row from a seed: pure, so that each function makes the part that it scans, and a
 * database gets the same rows. Money is in cents, dates are days since 1970: whole numbers, so that all sums are exact.
 */
export interface Customer {
  readonly custkey: number;
  readonly name: string;
  readonly nation: string;
  readonly acctbalCents: number;
}

export interface Order {
  readonly orderkey: number;
  readonly custkey: number;
  readonly orderdate: number;
}

export interface LineItem {
  readonly orderkey: number;
  readonly linenumber: number;
  readonly quantity: number;
  readonly extendedpriceCents: number;
  /** In hundredths: 0 to 10. */
  readonly discountPercent: number;
  readonly shipdate: number;
  readonly returnflag: "A" | "N" | "R";
}

export interface TablesSpec {
  readonly seed: number;
  /** 1 is 150,000 customers, 1,500,000 orders and some 6,000,000 line items. */
  readonly scale: number;
}

const nations = [
  ...["ALGERIA", "ARGENTINA", "BRAZIL", "CANADA", "CHINA", "EGYPT", "ETHIOPIA", "FRANCE", "GERMANY", "INDIA"],
  ...["INDONESIA", "IRAN", "IRAQ", "JAPAN", "JORDAN", "KENYA", "MOROCCO", "MOZAMBIQUE", "PERU", "ROMANIA"],
  ...["RUSSIA", "SAUDI ARABIA", "UNITED KINGDOM", "UNITED STATES", "VIETNAM"],
];

/** Days since 1970 of a date like 1995-06-17. */
export function dayOf(date: string): number {
  return Date.parse(`${date}T00:00:00Z`) / 86_400_000;
}

const [firstOrderDay, lastOrderDay, today] = [dayOf("1992-01-01"), dayOf("1998-08-02"), dayOf("1995-06-17")];

export function customerCount({ scale }: TablesSpec): number {
  return Math.max(3, Math.round(150_000 * scale));
}

export function orderCount(spec: TablesSpec): number {
  return 10 * customerCount(spec);
}

/** @param index from 0 to `customerCount` */
export function customerOf({ seed }: TablesSpec, index: number): Customer {
  const draw = drawsOf(seed, 1, index);
  const custkey = index + 1;
  return {
    ...{ custkey, name: `Customer#${String(custkey).padStart(9, "0")}` },
    ...{ nation: nations[draw(0, nations.length - 1)]!, acctbalCents: draw(-99_999, 999_999) },
  };
}

/** Every third customer orders nothing. @param index from 0 to `orderCount` */
export function orderOf(spec: TablesSpec, index: number): Order {
  const draw = drawsOf(spec.seed, 2, index);
  const custkey = draw(1, customerCount(spec));
  return {
    orderkey: index + 1,
    custkey: custkey % 3 === 0 ? custkey - 1 : custkey,
    orderdate: draw(firstOrderDay, lastOrderDay),
  };
}

/** Those of an order: 1 to 7. @param index of the order */
export function linesOf(spec: TablesSpec, index: number): LineItem[] {
  const { orderkey, orderdate } = orderOf(spec, index);
  const draw = drawsOf(spec.seed, 3, index);
  const parts = Math.max(1, Math.round(200_000 * spec.scale));
  return Array.from({ length: draw(1, 7) }, (_, line): LineItem => {
    const [part, quantity, discountPercent] = [draw(1, parts), draw(1, 50), draw(0, 10)];
    const shipdate = orderdate + draw(1, 121);
    const isReceived = shipdate + draw(1, 30) <= today;
    const retailCents = 90_000 + (Math.floor(part / 10) % 20_001) + 100 * (part % 1000);
    return {
      ...{ orderkey, linenumber: line + 1, quantity, discountPercent, shipdate },
      extendedpriceCents: quantity * retailCents,
      returnflag: draw(0, 1) === 0 || !isReceived ? (isReceived ? "A" : "N") : "R",
    };
  });
}

/** Whole numbers from `least` to `most`, the same for the same row: mulberry32, begun with a hash of the row. */
function drawsOf(seed: number, table: number, row: number): (least: number, most: number) => number {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(table, 0xc2b2ae35);
  state = Math.imul(state ^ (state >>> 15) ^ row, 0x27d4eb2f);
  return (least, most) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const share = ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    return least + Math.floor(share * (most - least + 1));
  };
}
