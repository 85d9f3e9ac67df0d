/** Figures as sentences and tables have them: three digits, decimal units as networks count. */

export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let power = 0;
  while (power < units.length - 1 && Number(digits(bytes / 1000 ** power)) >= 1000) power++;
  return `${digits(bytes / 1000 ** power)} ${units[power]}`;
}

export function secondsText(seconds: number): string {
  if (seconds >= 7200) return `${digits(seconds / 3600)} h`;
  if (seconds >= 300) return `${digits(seconds / 60)} min`;
  return `${digits(seconds)} s`;
}

export function dollarsText(dollars: number): string {
  return `$${dollars >= 100 ? dollars.toFixed(0) : digits(dollars)}`;
}

/** 160,000, or with its noun "1 wave", "3 waves". */
export function countText(count: number, noun?: string): string {
  const text = Math.round(count).toLocaleString("en-US");
  return noun === undefined ? text : `${text} ${noun}${count === 1 ? "" : "s"}`;
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
