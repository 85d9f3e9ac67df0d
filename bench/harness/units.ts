/** Figures as people read them. Their names end in their units, as report.ts says. */

export interface FigureUnit {
  /** What is measured, where the unit does not say it all: "p50", "client cpu". May be empty. */
  readonly quantity: string;
  readonly unit: string;
  readonly factor: number;
}

/** Endings of names; longer ones first. */
const endings: readonly (readonly [ending: string, unit: string, factor?: number])[] = [
  ["requestsPerSecond", "requests/s"],
  ["microseconds", "us"],
  ["secondsPerGb", "s/GB"],
  ["opsPerSecond", "ops/s"],
  ["mbPerSecond", "MB/s"],
  ["gbPerSecond", "GB/s"],
  ["perSecond", "/s"],
  ["percent", "%"],
  ["seconds", "s"],
  ["spread", "% spread", 100],
  ["share", "%", 100],
  ["bytes", "B"],
  ["kb", "kB"],
  ["mb", "MB"],
  ["gb", "GB"],
  ["ms", "ms"],
];

/** "p50Ms" is p50 in ms. A name without a known unit is all quantity. */
export function unitOf(name: string): FigureUnit {
  for (const [ending, unit, factor = 1] of endings) {
    const head = name.slice(0, -ending.length);
    const tail = name.slice(-ending.length);
    // A word of its own: "clientMs" and "ms", but not "items".
    const begins = head === "" ? tail === ending : tail === ending[0]!.toUpperCase() + ending.slice(1);
    if (begins) return { quantity: wordsOf(head), unit, factor };
  }
  return { quantity: wordsOf(name), unit: "", factor: 1 };
}

/** "1,554 MB/s", "0.309 GB/s", "85 %": three significant digits, or four from 1,000 on; "-" for what is no number. */
export function figureText(name: string, value: number): string {
  const { unit, factor } = unitOf(name);
  return Number.isFinite(value) ? `${numberText(value * factor)} ${unit}`.trimEnd() : "-";
}

/** "p50 ms", "MB/s", "client cpu s/GB": the head of a column. */
export function figureTitle(name: string): string {
  const { quantity, unit } = unitOf(name);
  return `${quantity} ${unit}`.trim();
}

/** "1.22x", "64.4x", "0.85x". */
export function ratioText(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio.toFixed(ratio < 10 ? 2 : 1)}x` : "-";
}

const threeDigits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const fourDigits = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

function numberText(value: number): string {
  return (Math.abs(value) < 1000 ? threeDigits : fourDigits).format(value);
}

function wordsOf(camelCase: string): string {
  return camelCase.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).trim();
}
