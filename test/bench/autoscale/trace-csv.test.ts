import { expect, test } from "vitest";
import { parseTraceCsv } from "../../../bench/autoscale/trace-csv.ts";

test("columns may come in any order; what is absent is assumed", () => {
  const trace = parseTraceCsv(
    "# a comment\npeak_bytes,job,end_s,start_s,hint_bytes\r\n1000,late,90,30,\n\n4000,early,20.5,0,5000\n",
  );
  expect(trace.jobs).toEqual([
    {
      ...{ job: "early", startSeconds: 0, endSeconds: 20.5, peakBytes: 4000, rampSeconds: 10.25 },
      ...{ leadSeconds: 0, hintBytes: 5000, functions: 1 },
    },
    {
      ...{ job: "late", startSeconds: 30, endSeconds: 90, peakBytes: 1000, rampSeconds: 30 },
      ...{ leadSeconds: 0, functions: 1 },
    },
  ]);
  expect(trace.seconds).toBe(90);
  expect(trace.peakBytes).toBeGreaterThan(3500);
});

const head = "job,start_s,end_s,peak_bytes,ramp_s";

test.each([
  ["", "the trace is empty"],
  [head, "names its columns and no job"],
  ["job,start_s,end_s\na,0,1", "line 1 of the trace names no column peak_bytes"],
  ["job,start_s,end_s,peak_bytes,colour", 'line 1 of the trace names a column "colour"'],
  ["job,job,start_s,end_s,peak_bytes", "line 1 of the trace names the column job twice"],
  [`${head}\na,0,1`, "line 2 of the trace has 3 values for 5 columns"],
  [`${head}\na,0,1,1,\n\nb,0,1,-5,`, 'line 4 of the trace has peak_bytes "-5"; it takes a number from 0 to'],
  [`${head}\na,0,1,1e9,`, 'has peak_bytes "1e9"'],
  [`${head}\na,0,9999999,1,`, 'has end_s "9999999"; it takes a number from 0 to 2678400'],
  [`${head}\na,5,5,1,`, "line 2 of the trace ends at 5, which is not after its start at 5"],
  [`${head}\na,0,5,1,6`, "line 2 of the trace ramps for 6 s and lives for 5 s"],
  [`${head}\n,0,5,1,`, "line 2 of the trace has a job name of 0 characters"],
])("%j is refused with the line that is wrong", (text, message) => {
  expect(() => parseTraceCsv(text)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  expect(() => parseTraceCsv(text)).toThrow(message);
});
