import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { jsonBody } from "../json-body.ts";
import { FAULTS, json, problem, PROBLEMS } from "../problem.ts";
import { say } from "../services-log.ts";
import { ACCESS_S, nameUser, REFRESH_S, type Session, type Sessions } from "../sessions.ts";
import type { Shop } from "../shop.ts";

/** Of every user there is. Public by design: the people are made up and their accounts guard nothing. */
export const DEMO_PASSWORD = "open-sesame";

const text = (most: number) => {
  const rule = `must be a text of 1 to ${most} characters`;
  return z.string(rule).min(1, rule).max(most, rule);
};

const Credentials = z
  .object(
    {
      username: text(64).openapi({ example: "ada.lindqvist" }),
      password: text(128).openapi({ example: DEMO_PASSWORD }),
    },
    "must be an object with username and password",
  )
  .openapi("Credentials");

const Refresh = z
  .object({ refresh_token: text(512) }, "must be an object with refresh_token")
  .openapi("Refresh");

const SignedIn = z
  .object({
    token: z.string().openapi({ description: "For `authorization: Bearer …`" }),
    user_id: z.int(),
    refresh_token: z.string().openapi({ description: "Works once, at POST /session/refresh" }),
    expires_in: z.int().openapi({ description: "Seconds until the token expires", example: ACCESS_S }),
  })
  .openapi("SignedIn");

const SessionState = z
  .object({ user_id: z.int(), username: z.string(), expires_at: z.iso.datetime() })
  .openapi("Session");

const auth = { tags: ["auth"] };
const signedInOnly = { ...auth, security: [{ session: [] }] };
const bodyRefusals = { 400: PROBLEMS[400], 413: PROBLEMS[413], 415: PROBLEMS[415] };
const bodyOf = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: { "application/json": { schema } } },
});

const login = createRoute({
  ...auth,
  method: "post",
  path: "/login",
  summary: "Sign in",
  description:
    `Any username of GET /users with the password \`${DEMO_PASSWORD}\`, which is public by design. ` +
    "The token names the user in the request log when it is sent as `authorization: Bearer …`; only /session asks for it.",
  middleware: jsonBody,
  request: bodyOf(Credentials),
  responses: { 200: json(SignedIn, "Signed in"), 401: PROBLEMS[401], ...bodyRefusals, ...FAULTS },
});

const getSession = createRoute({
  ...signedInOnly,
  method: "get",
  path: "/session",
  summary: "Who is signed in, and until when",
  responses: { 200: json(SessionState, "The session of the token"), 401: PROBLEMS[401], ...FAULTS },
});

const refreshSession = createRoute({
  ...auth,
  method: "post",
  path: "/session/refresh",
  summary: "New tokens for a session",
  description:
    `A session that is not refreshed for ${REFRESH_S / 3_600} hours is over. A refresh token works once: sent again, it ends its ` +
    "session, for one of those who sent it has stolen it.",
  middleware: jsonBody,
  request: bodyOf(Refresh),
  responses: { 200: json(SignedIn, "The next tokens"), 401: PROBLEMS[401], ...bodyRefusals, ...FAULTS },
});

const endSession = createRoute({
  ...signedInOnly,
  method: "delete",
  path: "/session",
  summary: "Sign out",
  responses: {
    204: { description: "Signed out: no token of the session is good any more" },
    401: PROBLEMS[401],
    ...FAULTS,
  },
});

export function sessionRoutes(shop: Shop, sessions: Sessions): OpenAPIHono {
  const userIdOf = new Map(shop.users.map((user) => [user.username, user.id]));

  async function sessionOf(c: Context): Promise<Session | undefined> {
    const session = await sessions.find(c.req.header("authorization"));
    if (session) nameUser(c, session.userId);
    return session;
  }

  const routes = new OpenAPIHono()
    .openapi(login, (c) => {
      const { username, password } = c.req.valid("json");
      const userId = userIdOf.get(username);
      if (userId === undefined || password !== DEMO_PASSWORD) {
        say(c, {
          ...{ level: "warn", logger: "auth", function: "login", message: "sign-in refused" },
          fields: { module: "api/routes/session.ts", is_known: userId !== undefined },
        });
        return problem(c, 401, "BAD_CREDENTIALS", "username or password is wrong");
      }
      nameUser(c, userId);
      return c.json({ ...sessions.start(userId), user_id: userId }, 200);
    })
    .openapi(getSession, async (c) => {
      const session = await sessionOf(c);
      const user = session && shop.user(session.userId); // another seed has other users
      if (!user) return refuseToken(c);
      const expires_at = new Date(session.expiresMs).toISOString();
      return c.json({ user_id: user.id, username: user.username, expires_at }, 200);
    })
    .openapi(refreshSession, async (c) => {
      const refreshed = await sessions.refresh(c.req.valid("json").refresh_token);
      if (!refreshed) {
        const message = "the refresh token expired, was used, or its session has ended: sign in again";
        return problem(c, 401, "SESSION_INVALID", message);
      }
      const { userId, ...tokens } = refreshed;
      nameUser(c, userId);
      return c.json({ ...tokens, user_id: userId }, 200);
    })
    .openapi(endSession, async (c) => {
      const session = await sessionOf(c);
      if (!session) return refuseToken(c);
      await sessions.end(session.id);
      return c.body(null, 204);
    });
  routes.openAPIRegistry.registerComponent("securitySchemes", "session", {
    ...{ type: "http", scheme: "bearer", bearerFormat: "JWT" },
    description: "The token of POST /login or POST /session/refresh",
  });
  return routes;
}

/** @see https://www.rfc-editor.org/rfc/rfc6750#section-3 */
function refuseToken(c: Context) {
  const isGiven = c.req.header("authorization") !== undefined;
  c.header("www-authenticate", isGiven ? 'Bearer error="invalid_token"' : "Bearer");
  return problem(c, 401, "SESSION_INVALID", "no session has this token: sign in, or refresh the session");
}
