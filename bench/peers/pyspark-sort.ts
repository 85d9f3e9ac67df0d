/** PySpark, `local[workers]`: one JVM, which Python starts and tells what to do. Its output is a folder of sorted parts. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../harness/processes.ts";
import type { Absent } from "../harness/report.ts";
import { type FileSorter, startedLine } from "./file-sorter.ts";
import { peersFolder } from "./s3-servers.ts";

/** As scripts/peers/pyspark.js installs it. */
const folder = "pyspark-4.3.0";
/** Of records in a partition; Spark spills less when they are small. */
const partitionBytes = 128e6;

// Without Hadoop's .crc file beside each part, which the others do not write either.
const program = `
import json, sys
from pyspark.sql import SparkSession
from pyspark.sql.functions import substring
task = json.loads(sys.argv[1])
builder = SparkSession.builder
for name, value in task["settings"].items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
print('{"started":true}', flush=True)
lines = spark.read.text(task["input"], lineSep="\\r\\n")
lines.orderBy(substring("value", 1, 10)).write.text(task["output"], lineSep="\\r\\n")
spark.stop()
`;

export function findPysparkSort(): FileSorter | Absent {
  const python = findProgram("python3");
  const modules = join(peersFolder(), folder);
  if (python === undefined || !existsSync(modules)) {
    return { absent: "PySpark is not installed; run: npm run install-peers -- pyspark" };
  }
  if (findProgram("java") === undefined) {
    return {
      absent:
        "PySpark needs Java, which is not installed; run: npm run install-peers -- default-jre-headless",
    };
  }
  return {
    command: ({ input, inputBytes, output, scratch, workers, memoryBytes }) => ({
      command: python,
      args: [
        ...["-c", program],
        JSON.stringify({
          ...{ input: `file://${input}`, output: `file://${output}` },
          settings: {
            "spark.master": `local[${workers}]`,
            "spark.driver.memory": `${Math.max(512, Math.floor(memoryBytes / 2 ** 20))}m`,
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.local.dir": scratch,
            "spark.sql.shuffle.partitions": String(Math.max(workers, Math.ceil(inputBytes / partitionBytes))),
            "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
          },
        }),
      ],
      env: { ...process.env, PYTHONPATH: modules, SPARK_HOME: join(modules, "pyspark") },
      started: startedLine,
    }),
  };
}
