/** The planner of shuffles: everything that may be imported from "mayfly/shuffle-plan". */
export type { ShufflePhase } from "./phase-times.ts";
export {
  pricesDefault,
  ratesDefault,
  type ShufflePlanInput,
  type ShufflePrices,
  type ShuffleRates,
} from "./plan-input.ts";
export { fleetMemoryFor, planShuffle, type ShufflePass, type ShufflePlan } from "./plan-shuffle.ts";
export type { ShuffleStrategy, StrategyEstimate } from "./strategies.ts";
