import { createHmac } from "node:crypto";

const HIDDEN = "***";

/** Each is linear in the text: what it repeats is bounded, or cannot be what comes next. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[\w\-.~+/]{4,}=*/gi, `$1 ${HIDDEN}`],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, HIDDEN], // a JSON web token
  [
    /\b(passw(?:or)?d|pwd|secret|token|api[-_]?key)(["']?\s{0,4}[:=]\s{0,4}["']?)[^\s"'&,;]+/gi,
    `$1$2${HIDDEN}`,
  ],
  [/(?<![\w.+%-])[\w.+%-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g, HIDDEN], // e-mail
  [/(?<!\d)\d(?:[ -]?\d){11,18}(?!\d)/g, HIDDEN], // cards, accounts
];

/** The text without bearer tokens, passwords, e-mail addresses and numbers as long as a card's. */
export function redactSecrets(text: string): string {
  return SECRETS.reduce((left, [secret, shown]) => left.replace(secret, shown), text);
}

/** The same user has the same 32 characters under one key; without the key nobody finds out who it is. */
export function pseudonym(userId: string, key: string): string {
  return createHmac("sha256", key).update(userId).digest("hex").slice(0, 32);
}
