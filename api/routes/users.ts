import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { FAULTS, json, problem, PROBLEMS } from "../problem.ts";
import type { Shop } from "../shop.ts";
import { IdParam, Page, PageOf } from "./paging.ts";

const User = z
  .object({
    id: z.int().openapi({ example: 1 }),
    username: z.string().openapi({ example: "ada.lindqvist" }),
    name: z.string().openapi({ example: "Ada Lindqvist" }),
    email: z.string().openapi({ example: "ada.lindqvist@example.com" }),
    city: z.string().openapi({ example: "Ghent" }),
  })
  .openapi("User");

const listUsers = createRoute({
  method: "get",
  path: "/users",
  tags: ["users"],
  summary: "List the users",
  request: { query: Page },
  responses: {
    200: json(z.object({ users: z.array(User), ...PageOf }), "Users by id"),
    400: PROBLEMS[400],
    ...FAULTS,
  },
});

const getUser = createRoute({
  method: "get",
  path: "/users/{id}",
  tags: ["users"],
  summary: "One user",
  request: { params: IdParam },
  responses: { 200: json(User, "The user"), 404: PROBLEMS[404], ...FAULTS },
});

export function usersRoutes(shop: Shop): OpenAPIHono {
  return new OpenAPIHono()
    .openapi(listUsers, (c) => {
      const { limit, offset } = c.req.valid("query");
      const users = shop.users.slice(offset, offset + limit);
      return c.json({ users, total: shop.users.length, limit, offset }, 200);
    })
    .openapi(getUser, (c) => {
      const { id } = c.req.valid("param");
      const user = shop.user(Number(id));
      return user ? c.json(user, 200) : problem(c, 404, "USER_UNKNOWN", `no user has the id ${id}`);
    });
}
