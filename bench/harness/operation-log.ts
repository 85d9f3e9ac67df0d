/** What became of each operation of a load, in columns: a minute of load is some hundred thousand operations. */

/** Operations in the order of their ends. Structured cloning carries it from process to process. */
export interface OperationLog {
  /** By position in `names`. */
  readonly streams: Uint8Array;
  readonly names: readonly string[];
  readonly keys: Uint32Array;
  /** When it should have begun, by `machineMs`. */
  readonly dueMs: Float64Array;
  readonly endMs: Float64Array;
  /** 1: it succeeded, and a read brought what had been written. */
  readonly succeeded: Uint8Array;
}

/** From `fromMs` on, until before `toMs`, by `machineMs`. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface OperationRecorder {
  add(stream: number, key: number, dueMs: number, endMs: number, succeeded: boolean): void;
  /** What was recorded so far. */
  log(): OperationLog;
}

const roomFirst = 1 << 14;

/** Milliseconds that only grow, and that are the same for all processes of the machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** @param names of at most 256 streams */
export function createOperationRecorder(names: readonly string[]): OperationRecorder {
  let room = roomFirst;
  let count = 0;
  let columns = columnsOf(room);
  return {
    add(stream, key, dueMs, endMs, succeeded) {
      if (count === room) {
        room *= 2;
        const wider = columnsOf(room);
        wider.streams.set(columns.streams);
        wider.keys.set(columns.keys);
        wider.dueMs.set(columns.dueMs);
        wider.endMs.set(columns.endMs);
        wider.succeeded.set(columns.succeeded);
        columns = wider;
      }
      columns.streams[count] = stream;
      columns.keys[count] = key;
      columns.dueMs[count] = dueMs;
      columns.endMs[count] = endMs;
      columns.succeeded[count] = succeeded ? 1 : 0;
      count++;
    },
    log() {
      const { streams, keys, dueMs, endMs, succeeded } = columns;
      return {
        names,
        streams: streams.slice(0, count),
        keys: keys.slice(0, count),
        dueMs: dueMs.slice(0, count),
        endMs: endMs.slice(0, count),
        succeeded: succeeded.slice(0, count),
      };
    },
  };
}

function columnsOf(room: number): Omit<OperationLog, "names"> {
  return {
    streams: new Uint8Array(room),
    keys: new Uint32Array(room),
    dueMs: new Float64Array(room),
    endMs: new Float64Array(room),
    succeeded: new Uint8Array(room),
  };
}
