/**
 * TypeScript source with what is not code blanked out: the same length and the same lines, so that what a rule finds
 * can be pointed at. A scanner, not a parser (TypeScript 7 has no API for one): it knows comments, strings, templates and
 * regular expressions, which is what could hide code from a rule or look like it.
 */
export interface BlankedText {
  /** Comments are blank; strings are as they were. */
  readonly withoutComments: string;
  /** Comments, regular expressions, and the insides of strings and templates are blank; `${...}` stays, for it is code. */
  readonly code: string;
}

/** Behind these a slash begins a regular expression; behind a name, a number or a closing bracket it divides. */
const beforeRegExp =
  /(?:^|[=([{},;:!&|?+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|await|yield|throw))$/;

type Kind = "comment" | "text";

export function blankText(source: string): BlankedText {
  const withoutComments = source.split("");
  const code = source.split("");
  const blank = (from: number, to: number, kind: Kind): void => {
    for (let i = from; i < to; i++) {
      if (source[i] === "\n") continue;
      code[i] = " ";
      if (kind === "comment") withoutComments[i] = " ";
    }
  };
  /** For each open `${`, how many braces within it are open. */
  const templates: number[] = [];
  let at = 0;
  /** The last word or sign that is code, to tell a division from a regular expression. */
  let last = "";
  let inWord = false;
  const sawValue = (): void => {
    last = "x";
    inWord = false;
  };

  const skipQuoted = (quote: string): void => {
    const start = at++;
    while (at < source.length && source[at] !== quote && source[at] !== "\n")
      at += source[at] === "\\" ? 2 : 1;
    blank(start + 1, at, "text");
    at++;
    sawValue();
  };
  /** From behind a backtick or the brace that ends a `${...}`, to behind the next backtick or `${`. */
  const skipTemplate = (): void => {
    const start = at;
    while (at < source.length && source[at] !== "`" && !source.startsWith("${", at)) {
      at += source[at] === "\\" ? 2 : 1;
    }
    blank(start, at, "text");
    if (source[at] === "`") {
      at++;
      sawValue();
    } else {
      at += 2;
      templates.push(0);
      last = "{";
      inWord = false;
    }
  };
  const skipRegExp = (): void => {
    const start = at++;
    for (let inClass = false; at < source.length && source[at] !== "\n"; at++) {
      if (source[at] === "\\") at++;
      else if (source[at] === "[") inClass = true;
      else if (source[at] === "]") inClass = false;
      else if (source[at] === "/" && !inClass) break;
    }
    blank(start + 1, at, "text");
    at++;
    sawValue();
  };

  while (at < source.length) {
    const char = source[at]!;
    if (source.startsWith("//", at)) {
      const end = source.indexOf("\n", at);
      blank(at, end < 0 ? source.length : end, "comment");
      at = end < 0 ? source.length : end;
    } else if (source.startsWith("/*", at)) {
      const end = source.indexOf("*/", at + 2);
      blank(at, end < 0 ? source.length : end + 2, "comment");
      at = end < 0 ? source.length : end + 2;
    } else if (char === '"' || char === "'") {
      skipQuoted(char);
    } else if (char === "`") {
      at++;
      skipTemplate();
    } else if (char === "}" && templates.at(-1) === 0) {
      templates.pop();
      at++;
      skipTemplate();
    } else if (char === "/" && beforeRegExp.test(last)) {
      skipRegExp();
    } else {
      if (templates.length > 0 && (char === "{" || char === "}")) {
        templates[templates.length - 1]! += char === "{" ? 1 : -1;
      }
      // `a! / b` divides; `!/b/` does not.
      const postfix = char === "!" && !beforeRegExp.test(last);
      if (/\s/.test(char) || postfix) inWord = false;
      else {
        const isWord = /[\w$]/.test(char);
        last = isWord && inWord ? last + char : char;
        inWord = isWord;
      }
      at++;
    }
  }
  return { withoutComments: withoutComments.join(""), code: code.join("") };
}
