import { MayflyError } from "../errors.ts";

/** The command line itself is wrong: INVALID_ARGUMENT, and exit code 2. */
export class UsageError extends MayflyError {
  constructor(message: string) {
    super("INVALID_ARGUMENT", message);
  }
}
