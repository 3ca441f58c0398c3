/** One statement of a text, without the `;` that ends it and without comments before it. */
export interface Statement {
  readonly sql: string;
  readonly line: number; // where it begins in the text, from 1
}

/**
 * What a `;` inside of does not end a statement: strings, quoted names and comments; then everything else. A quote or
 * comment that is not closed reaches to the end, so that the database says what is wrong with it.
 * @see https://dev.mysql.com/doc/refman/8.4/en/comments.html ("--" needs a blank after it)
 */
const TOKENS = new RegExp(
  [
    /'[^'\\]*(?:\\[^]?[^'\\]*)*(?:'|$)/, // '' inside is read as two strings side by side
    /"[^"\\]*(?:\\[^]?[^"\\]*)*(?:"|$)/,
    /`[^`]*(?:`|$)/,
    /(?:#|--(?=\s|$))[^\n]*/,
    /\/\*[^]*?(?:\*\/|$)/,
    /;/,
    /\s+/,
    /[^'"`#/;\s-]+/,
    /[^]/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
);

/** Blank, or a comment that neither database takes for SQL as it does `/*!` and `/*M!`. */
const NOTHING = /^(?:\s|#|--(?=\s|$)|\/\*(?!M?!))/;

/** The statements of a text in order; what holds nothing but comments is none. */
export function statementsOf(text: string): Statement[] {
  const statements: Statement[] = [];
  let line = 1;
  let begun: { at: number; line: number } | undefined;
  const end = (at: number) => {
    if (begun) statements.push({ sql: text.slice(begun.at, at).trimEnd(), line: begun.line });
    begun = undefined;
  };
  for (const { 0: token, index } of text.matchAll(TOKENS)) {
    if (token === ";") end(index);
    else if (!NOTHING.test(token)) begun ??= { at: index, line };
    line += token.split("\n").length - 1;
  }
  end(text.length);
  return statements;
}
