/**
 * ` (did you mean …?)` with the candidate that is nearest to `word`, or nothing when none is near: for the end of a
 * message about a name that does not exist.
 */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(word.length * 0.4)) + 1; // beyond that it is another word
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}

/** Insertions, deletions, substitutions and swaps of neighbours from one word to the other, row by row of the usual table. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line++) {
    const next = [line];
    for (let column = 1; column <= to.length; column++) {
      const differs = from[line - 1] === to[column - 1] ? 0 : 1;
      const swaps = from[line - 1] === to[column - 2] && from[line - 2] === to[column - 1];
      next.push(
        Math.min(
          row[column - 1]! + differs,
          row[column]! + 1,
          next[column - 1]! + 1,
          swaps ? before[column - 2]! + 1 : Infinity,
        ),
      );
    }
    [before, row] = [row, next];
  }
  return row[to.length]!;
}
