const QUOTED = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|`[^`]*`/;
const COMMENT = /\/\*[\s\S]*?\*\/|(?:--(?=\s|$)|#).*/m;
const QUOTED_OR_COMMENT = new RegExp(`${QUOTED.source}|${COMMENT.source}`, "gm");
const QUOTED_OR_RUN_ID = new RegExp(`${QUOTED.source}|:run_id\\b`, "g");

/** What keeps `sql` from being one SELECT in which `:run_id` stands for the run. */
export function queryProblems(sql: string): string[] {
  const problems: string[] = [];
  const outline = sql.replaceAll(QUOTED_OR_COMMENT, " ").trim();
  if (!/^\(*\s*(?:select|with)\b/i.test(outline) || /;./s.test(outline)) {
    problems.push("the query must be one SELECT");
  }
  if (outline.includes("?")) problems.push("the query cannot hold a ?; its one parameter is :run_id");
  for (const [parameter] of outline.matchAll(/:[a-z_]\w*/gi)) {
    if (parameter !== ":run_id")
      problems.push(`the query has no parameter ${parameter}; its one parameter is :run_id`);
  }
  return problems;
}

/** The same query as the database takes it: without comments, a `?` and a value for each `:run_id`. */
export function boundQuery(sql: string, run_id: string): { sql: string; values: string[] } {
  const values: string[] = [];
  const bare = sql.replaceAll(QUOTED_OR_COMMENT, (text) => (/^['"`]/.test(text) ? text : " "));
  const bound = bare.replaceAll(QUOTED_OR_RUN_ID, (text) => {
    if (text !== ":run_id") return text;
    values.push(run_id);
    return "?";
  });
  return { sql: bound.trim().replace(/;$/, ""), values };
}
