/** A rate tried, and whether it held. */
export interface Trial {
  readonly rate_per_second: number;
  readonly held: boolean;
}

export interface SearchOptions {
  readonly from_per_second: number; // at most max_per_second
  readonly step_per_second: number;
  readonly max_per_second: number;
  readonly refinements: number; // halvings of the last step, once a rate has not held
}

export interface SearchResult<T extends Trial> {
  readonly trials: readonly T[]; // in their order
  readonly held: T | undefined; // of the highest rate that held; undefined when not even the first did
  readonly broke: T | undefined; // of the lowest rate that did not; undefined when all up to the maximum held
}

/**
 * Steps the rate up until one does not hold, then halves the gap between the last that held and the first that did not.
 * @param attempt tries a rate; what it throws ends the search
 */
export async function findMax<T extends Trial>(
  { from_per_second, step_per_second, max_per_second, refinements }: SearchOptions,
  attempt: (ratePerSecond: number) => Promise<T>,
): Promise<SearchResult<T>> {
  const trials: T[] = [];
  let held: T | undefined;
  let broke: T | undefined;
  const take = async (rate: number) => {
    const trial = await attempt(rate);
    trials.push(trial);
    if (trial.held) held = trial;
    else broke = trial;
  };
  for (let step = 0; broke === undefined; step++) {
    const rate = Number((from_per_second + step * step_per_second).toPrecision(12)); // 0.3, not 0.30000000000000004
    if (rate > max_per_second) break;
    await take(rate);
  }
  for (let left = refinements; left > 0 && held !== undefined && broke !== undefined; left--) {
    await take((held.rate_per_second + broke.rate_per_second) / 2);
  }
  return { trials, held, broke };
}
