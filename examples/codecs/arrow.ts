/** Arrow record batches: columns instead of records, read without parsing. The package is `apache-arrow`. */
import { type DataType, Table, tableFromIPC, tableToIPC, type Vector, vectorFromArray } from "apache-arrow";
import { MayflyError } from "mayfly";
import type { BatchCodec } from "mayfly/records";

/**
 * An IPC stream for each batch, with a column for each field of the records. Readers that work on columns take a shuffle's
 * blocks as they are: each is one stream, for `tableFromIPC`.
 */
export function arrowBatches<T extends object>(
  columns: {
    readonly [Name in keyof T & string]: DataType;
  },
): BatchCodec<T> {
  const fields = Object.entries(columns) as [keyof T & string, DataType][];
  return {
    encodeBatch(records) {
      const vectors = fields.map(([name, type]): [string, Vector] => {
        const values = records.map((record) => record[name]);
        return [name, vectorFromArray(values, type)];
      });
      return tableToIPC(new Table(Object.fromEntries(vectors)), "stream");
    },
    *decode(block) {
      const table = tableFromIPC(block);
      const vectors = fields.map(([name, type]): [string, Vector] => {
        const vector = table.getChild(name);
        if (vector?.type.toString() === type.toString()) return [name, vector];
        throw new MayflyError("DAMAGED", `an Arrow batch has no column ${name} of type ${type}`);
      });
      for (let row = 0; row < table.numRows; row++) {
        yield Object.fromEntries(vectors.map(([name, vector]) => [name, vector.get(row)])) as T;
      }
    },
  };
}
