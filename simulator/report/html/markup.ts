/** HTML or SVG that is safe to show: made by {@link html} alone. */
export class Markup {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  static of(strings: TemplateStringsArray, values: readonly Content[]): Markup {
    return new Markup(strings.reduce((text, string, i) => text + contentOf(values[i - 1]) + string));
  }
}

/** What may stand in a template: null and false are nothing, text is escaped. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** A piece of a page. Whatever is put into it is escaped unless it was made by `html` itself; attributes need quotes. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return Markup.of(strings, values);
}

function contentOf(value: Content): string {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map(contentOf).join("");
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
