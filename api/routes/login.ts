import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { jsonBody } from "../json-body.ts";
import { FAULTS, json, problem, PROBLEMS } from "../problem.ts";
import { say } from "../services-log.ts";
import { nameUser, type Sessions } from "../sessions.ts";
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

const login = createRoute({
  method: "post",
  path: "/login",
  tags: ["auth"],
  summary: "Sign in",
  description:
    `Any username of GET /users with the password \`${DEMO_PASSWORD}\`, which is public by design. ` +
    "The token names the user in the request log when it is sent as `authorization: Bearer …`; no route asks for it.",
  middleware: jsonBody,
  request: { body: { required: true, content: { "application/json": { schema: Credentials } } } },
  responses: {
    200: json(z.object({ token: z.string(), user_id: z.int() }), "Signed in"),
    400: PROBLEMS[400],
    401: PROBLEMS[401],
    413: PROBLEMS[413],
    415: PROBLEMS[415],
    ...FAULTS,
  },
});

export function loginRoutes(shop: Shop, sessions: Sessions): OpenAPIHono {
  const userIdOf = new Map(shop.users.map((user) => [user.username, user.id]));
  return new OpenAPIHono().openapi(login, (c) => {
    const { username, password } = c.req.valid("json");
    const userId = userIdOf.get(username);
    if (userId === undefined || password !== DEMO_PASSWORD) {
      say(c, {
        ...{ level: "warn", logger: "auth", function: "login", message: "sign-in refused" },
        fields: { module: "api/routes/login.ts", is_known: userId !== undefined },
      });
      return problem(c, 401, "BAD_CREDENTIALS", "username or password is wrong");
    }
    nameUser(c, userId);
    return c.json({ token: sessions.signIn(userId), user_id: userId }, 200);
  });
}
