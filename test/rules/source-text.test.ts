import { describe, expect, test } from "vitest";
import { readProject } from "./project-files.ts";
import { blankText } from "./source-text.ts";

/** `#{` in the cases stands for the dollar and the brace of a template, which would be one here. */
const template = (text: string): string => text.replaceAll("#{", "$".concat("{"));
/** The code of a source without its blanks. */
const codeOf = (source: string): string => blankText(template(source)).code.replaceAll(/\s+/g, " ").trim();

describe("blankText", () => {
  test.each([
    ["a line comment", "a; // b\nc;", "a; c;"],
    ["a block comment", "a; /* b\n b */ c;", "a; c;"],
    ["a string with a quote in it", 'a("b\\"b"); c;', 'a(" "); c;'],
    ["a comment in a string", 'a("// b"); c;', 'a(" "); c;'],
    ["a string in a comment", "a; // it's\nc;", "a; c;"],
    ["a template with code in it", "a(`b #{ c(`d #{e} d`) } b`); f;", "a(` #{ c(` #{e} `) } `); f;"],
    ["an object in a template", "a(`b #{ { c: 1 } } b`); d;", "a(` #{ { c: 1 } } `); d;"],
    ["a regular expression with a quote in it", "a = /[/\"']b/g; c;", "a = / /g; c;"],
    ["a regular expression behind a word", "return /'/; a;", "return / /; a;"],
    ["two divisions", "a = b / c; d = '' / e;", "a = b / c; d = '' / e;"],
    ["a division of what cannot be undefined", "a! / b; !/'/;", "a! / b; !/ /;"],
    ["a division of a call", "a() / b; c / d;", "a() / b; c / d;"],
  ])("%s", (_, source, code) => expect(codeOf(source)).toBe(template(code)));

  test("strings stay where only comments are blanked", () => {
    expect(blankText('import "a"; // b').withoutComments).toBe('import "a";     ');
  });

  test("every file of ours keeps its length, its lines and its brackets in balance", () => {
    // A scanner that lost its way in a file would leave half of a string, or swallow code with its brackets.
    for (const { path, text, code } of readProject(/\.ts$/)) {
      expect(code.length, path).toBe(text.length);
      expect(code.split("\n").length, path).toBe(text.split("\n").length);
      expect(unbalanced(code), path).toBe("");
    }
  });
});

/** The first bracket without its partner, or nothing. */
function unbalanced(code: string): string {
  const open: string[] = [];
  const partner: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };
  for (const char of code) {
    if ("([{".includes(char)) open.push(char);
    else if (partner[char] !== undefined && open.pop() !== partner[char]) return char;
  }
  return open.join("");
}
