import { randomBytes } from "node:crypto";
import { createSigner, createVerifier } from "fast-jwt";
import type { Context } from "hono";
import type { Redis } from "./redis.ts";
import { SessionMarks } from "./session-marks.ts";

/** How long an access token is good for: so long a stolen one is, and so often a client refreshes. */
export const ACCESS_S = 15 * 60;
/** How long a session lasts without being refreshed. */
export const REFRESH_S = 24 * 60 * 60;

/** A minute longer than any token lives that was issued while its session was ended. */
const KEPT_MS = (REFRESH_S + 60) * 1_000;

/** Ours have some 250 characters; what is longer is not looked at. */
const MAX_TOKEN_LENGTH = 512;
/** Tokens whose signatures need not be checked again, which takes 5 µs in place of 11. */
const CACHED_TOKENS = 10_000;

/** What a client gets, in the words of OAuth 2.0 but for `token`, which is older here. */
export interface Tokens {
  readonly token: string; // for `authorization: Bearer …`
  readonly refresh_token: string; // works once
  readonly expires_in: number; // seconds until the token does
}

export interface Session {
  readonly id: string;
  readonly userId: number;
  readonly expiresMs: number; // when the token that was shown expires, Unix ms
}

type Kind = "access" | "refresh";

interface Claims {
  readonly sub: string; // the user's id
  readonly sid: string; // the session's
  readonly jti: string; // the token's
  readonly iat: number; // Unix seconds
  readonly exp: number;
}

/**
 * Who is signed in. Tokens are signed, so any process that has the key knows whose they are; the kind is part of what is signed, so that
 * none passes for the other. Each refresh gives a new pair; a refresh token that comes a second time was stolen by one of those who sent
 * it, so its session ends for both.
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2 (refresh token rotation)
 */
export class Sessions {
  readonly #sign: Readonly<Record<Kind, (claims: object) => string>>;
  readonly #verify: Readonly<Record<Kind, (token: string) => unknown>>;
  readonly #marks: SessionMarks;

  /** @param key shared by the processes whose sessions are one; left out: random, so that sessions end with this process */
  constructor(key: string = randomBytes(32).toString("base64url"), redis?: Redis) {
    const signer = (kind: Kind, lifeS: number) =>
      createSigner({ key, algorithm: "HS256", aud: kind, expiresIn: lifeS * 1_000 });
    const verifier = (kind: Kind) =>
      createVerifier({
        ...{ key, algorithms: ["HS256"], allowedAud: kind },
        requiredClaims: ["sub", "sid", "jti", "aud", "iat", "exp"],
        ...(kind === "access" && { cache: CACHED_TOKENS }),
      });
    this.#sign = { access: signer("access", ACCESS_S), refresh: signer("refresh", REFRESH_S) };
    this.#verify = { access: verifier("access"), refresh: verifier("refresh") };
    this.#marks = new SessionMarks(KEPT_MS, redis);
  }

  start(userId: number): Tokens {
    return this.#tokensOf(String(userId), randomId());
  }

  /**
   * The user behind an `Authorization: Bearer …` header, for the request log: asks nobody, so a session that was ended by another process
   * names its user until this one has heard of it. Undefined without a good token.
   */
  userId(authorization: string | undefined): number | undefined {
    if (authorization === undefined) return undefined;
    const claims = this.#claimsOf("access", bearerToken(authorization));
    return claims && !this.#marks.knows(endOf(claims.sid)) ? Number(claims.sub) : undefined;
  }

  /** The session behind such a header, unless any process has ended it. */
  async find(authorization: string | undefined): Promise<Session | undefined> {
    const claims = this.#claimsOf("access", bearerToken(authorization));
    if (claims === undefined || (await this.#marks.has(endOf(claims.sid)))) return undefined;
    return { id: claims.sid, userId: Number(claims.sub), expiresMs: claims.exp * 1_000 };
  }

  /** The next pair, and whose it is; undefined for what is no refresh token, or one of a session that has ended. */
  async refresh(refreshToken: string): Promise<(Tokens & { readonly userId: number }) | undefined> {
    const claims = this.#claimsOf("refresh", refreshToken);
    if (claims === undefined) return undefined;
    const [hasEnded, isFirst] = await Promise.all([
      this.#marks.has(endOf(claims.sid)),
      this.#marks.set(`used:${claims.jti}`),
    ]);
    if (hasEnded) return undefined;
    if (!isFirst) {
      await this.end(claims.sid);
      return undefined;
    }
    return { ...this.#tokensOf(claims.sub, claims.sid), userId: Number(claims.sub) };
  }

  /** Signs out: no token of the session is good any more. */
  async end(sessionId: string): Promise<void> {
    await this.#marks.set(endOf(sessionId));
  }

  #tokensOf(sub: string, sid: string): Tokens {
    return {
      token: this.#sign.access({ sub, sid, jti: randomId() }),
      refresh_token: this.#sign.refresh({ sub, sid, jti: randomId() }),
      expires_in: ACCESS_S,
    };
  }

  #claimsOf(kind: Kind, token: string | undefined): Claims | undefined {
    if (token === undefined || token.length > MAX_TOKEN_LENGTH) return undefined;
    try {
      const claims = this.#verify[kind](token) as Claims; // nobody else signs with our key
      return this.#marks.isForgotten(claims.iat * 1_000) ? undefined : claims;
    } catch {
      return undefined;
    }
  }
}

const randomId = () => randomBytes(12).toString("base64url");

const endOf = (sessionId: string) => `ended:${sessionId}`;

const bearerToken = (authorization: string | undefined) => /^Bearer (\S+)$/i.exec(authorization ?? "")?.[1];

const USER = "user_id";

/** Says whose request this is, for a route that finds out while it answers: the request log then names the user. */
export function nameUser(c: Context, userId: number): void {
  c.set(USER, userId);
}

export function namedUser(c: Context): number | undefined {
  return c.get(USER) as number | undefined;
}
