/**
 * Work put off to the end of the event loop's turn: after every socket that is readable now has been read. What a turn
 * has for one socket, or for one backup, then leaves in one write, however many sockets it came from; while the
 * process is idle the end of the turn is now.
 */
let due: (() => void)[] = [];

/** Calls `run` once, behind what was put off before it; what it puts off itself comes in the same turn. */
export function atEndOfTurn(run: () => void): void {
  if (due.push(run) === 1) setImmediate(runDue);
}

function runDue(): void {
  let at = 0;
  try {
    while (at < due.length) due[at++]!();
  } finally {
    // One may have thrown, which ends the process or not: the others are still owed their turn.
    due = due.slice(at);
    if (due.length > 0) setImmediate(runDue);
  }
}
