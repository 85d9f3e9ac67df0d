import { MayflyError } from "../../src/errors.ts";

const shownMax = 20;

/** Outputs of maps were lost with the nodes that held them; run these maps again, and go on with the same reader. */
export class MapsLostError extends MayflyError {
  /** Numbers of the maps, in ascending order. */
  readonly maps: readonly number[];

  constructor(what: string, maps: readonly number[]) {
    const more = maps.length > shownMax ? ` and ${maps.length - shownMax} more` : "";
    const shown = maps.slice(0, shownMax).join(", ");
    super("LOST", `Outputs of ${what} were lost: run maps ${shown}${more} again, and go on reading.`);
    this.maps = maps;
  }
}
