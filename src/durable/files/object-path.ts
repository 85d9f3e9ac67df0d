/**
 * Names of objects as paths below a folder. They stay readable, none leads out of the folder, and an object may have the name of
 * what is a folder for others:
 *
 *     results/part-7      results.d/part-7
 *     results             results
 *     a.d/50%             a.d.d/50%25
 *     old.d               old%2Ed
 *
 * Each segment but the last is a folder with `.d` behind its name; a last one that ends so has its dot escaped. `%` and what
 * not every file system takes are escaped as in URLs. A segment that is longer than file names may be goes on in a folder whose name
 * ends with `%`, which no escaped name does. `%tmp` in the root, which is no escaped name either, holds what is being written.
 */

/** File names may have 255 bytes; `.d` or `%` may follow. */
const nameBytesMax = 240;
export const temporaryFolder = "%tmp";

const unsafe = /[%\\:*?"<>|]/g;

function escaped(unit: string): string {
  return unit.replace(unsafe, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** The parts of the path, folders first. The name has been checked. */
export function pathOfName(name: string): string[] {
  const segments = name.split("/");
  const last = segments.pop()!;
  return [...segments.flatMap((segment) => cut(segment, ".d")), ...cut(last, "")];
}

function cut(segment: string, suffix: string): string[] {
  const parts: string[] = [];
  let part = "";
  let bytes = 0;
  for (const character of segment) {
    const text = escaped(character);
    const more = Buffer.byteLength(text);
    if (bytes + more > nameBytesMax) {
      parts.push(`${part}%`);
      part = "";
      bytes = 0;
    }
    part += text;
    bytes += more;
  }
  return [...parts, suffix === "" ? asLeaf(part) : `${part}${suffix}`];
}

/** It must not look like a folder, nor be one: what is left of a long segment may be `..`. */
function asLeaf(part: string): string {
  return /^\.{1,2}$/.test(part) ? part.replaceAll(".", "%2E") : part.replace(/\.d$/, "%2Ed");
}

/** What an entry of a folder stands for; undefined for what no name leads to. */
export interface Entry {
  readonly isFolder: boolean;
  /** What it adds to the names of what is in it, or to its own. */
  readonly text: string;
}

export function entryOf(fileName: string): Entry | undefined {
  const isLong = fileName.endsWith("%");
  const isFolder = isLong || fileName.endsWith(".d");
  const part = isFolder ? fileName.slice(0, isLong ? -1 : -2) : fileName;
  const text = unescaped(part);
  if (text === undefined || text === "") return undefined;
  // Only what this module itself would have written counts: anything else is not ours.
  const again = [...text].map(escaped).join("");
  if ((isFolder ? again : asLeaf(again)) !== part) return undefined;
  return { isFolder, text: isFolder && !isLong ? `${text}/` : text };
}

function unescaped(part: string): string | undefined {
  if (/%(?![0-9A-F]{2})/.test(part)) return undefined;
  return part.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
