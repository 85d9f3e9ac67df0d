/**
 * The word that was most likely meant, for "did you mean": the one that needs the fewest edits, and at most one edit for
 * every three letters (two for words of up to six). Undefined when none is that close.
 */
export function closestWord(typed: string, words: readonly string[]): string | undefined {
  let found: string | undefined;
  let fewest = Math.max(2, Math.floor(typed.length / 3));
  for (const word of words) {
    const edits = editDistance(typed, word);
    // A short word is never so far from another that all its letters had to change.
    if (edits < Math.max(typed.length, word.length) && (edits < fewest || (edits === fewest && !found))) {
      found = word;
      fewest = edits;
    }
  }
  return found;
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count one each. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let edits = Math.min(replaced, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, beforeLast[j - 2]! + 1);
      }
      row.push(edits);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
