/** The value of a constant as it stands in the code, exported, imported or not: what a document says of it must be that. */
import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { runInNewContext } from "node:vm";

/** @param place like `src/wire/ref.ts#keyBytesMax`, or with a field: `src/a.ts#limits.bytesMax` */
export function codeConstant(place: string): number {
  const [path = "", names = ""] = place.split("#");
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  return evaluate(text, names, place);
}

function evaluate(text: string, names: string, place: string): number {
  const [name = "", field] = names.split(".");
  const within = field === undefined ? text : bodyOf(text, name, place);
  const wanted = field ?? name;
  const assigned = field === undefined ? `const ${wanted}(?:: \\w+)? =` : `${wanted}:`;
  const expression = new RegExp(`^\\s*(?:export )?${assigned}\\s*([^;,]+)[;,]`, "m").exec(within)?.[1];
  // `{ bulkBytesMax }` takes the constant of that name.
  if (expression === undefined) {
    if (field !== undefined && new RegExp(`^\\s*${field},`, "m").test(within))
      return evaluate(text, field, place);
    const from = new RegExp(`^import \\{[^}]*\\b${wanted}\\b[^}]*\\} from "(.+)";$`, "m").exec(text)?.[1];
    const [path = ""] = place.split("#");
    if (from !== undefined) return codeConstant(`${posix.join(posix.dirname(path), from)}#${wanted}`);
    throw new Error(`${place} is not there, or not where this test looks for it.`);
  }
  const numbers = expression.replaceAll(/\b[a-z_]\w*\b/gi, (other) => String(evaluate(text, other, place)));
  return Number(runInNewContext(numbers.replaceAll("_", "")));
}

function bodyOf(text: string, name: string, place: string): string {
  const body = new RegExp(`const ${name}[^=]*= \\{([^}]*)\\}`).exec(text)?.[1];
  if (body === undefined) throw new Error(`${place}: there is no object ${name}.`);
  return body;
}
