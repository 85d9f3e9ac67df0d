/** Package entry `mayfly/testing`: a real fleet, with real processes, inside a test. */
export { type EmbeddedFleet, type EmbeddedFleetOptions, startEmbeddedFleet } from "../embedded-fleet.ts";
