/** Elements of SVG as text. Coordinates are rounded to tenths; all text that comes from outside is escaped. */

type Value = string | number;
export type Attributes = Readonly<Record<string, Value>>;

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** For element content and attribute values. Characters that XML forbids become U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll(/[&<>"]/g, (char) => entities[char]!);
}

/** `content` is markup, not text. */
export function element(name: string, attributes: Attributes, content = ""): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(valueText(value))}"`);
  return content === "" ? `<${name}${list.join("")}/>` : `<${name}${list.join("")}>${content}</${name}>`;
}

/** A line of text, its baseline at y. */
export function label(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, escapeXml(text) || " ");
}

function valueText(value: Value): string {
  return typeof value === "string" ? value : String(Math.round(value * 10) / 10);
}
