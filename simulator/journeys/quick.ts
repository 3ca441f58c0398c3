import type { Journey, Step } from "./journey.ts";

/** The one request that `quick` repeats. */
export function quickJourney(step: Step): Journey {
  return {
    name: "quick",
    weight: 1,
    *steps() {
      yield step;
    },
  };
}
