import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { OpenAPIHono } from "@hono/zod-openapi";
import { problem } from "../problem.ts";

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>rushhour: mock shop API</title>
    <link rel="stylesheet" href="docs/swagger-ui.css" />
    <link rel="icon" href="docs/favicon-32x32.png" />
  </head>
  <body>
    <div id="docs"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

/** A file of its own, so that the page needs no inline script. */
const START = `SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true });\n`;

const JAVASCRIPT = "text/javascript; charset=utf-8";

/** Files of swagger-ui-dist that the page loads, by content type; nothing else of the package is served. */
const ASSETS: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": JAVASCRIPT,
  "favicon-32x32.png": "image/png",
};

/** Swagger UI sets styles inline and draws its icons from data: URLs; scripts come from here only. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; frame-ancestors 'none'";

/** The documentation page at `/docs`: works offline, from files of the installed package. */
export function docsRoutes(): OpenAPIHono {
  const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  const routes = new OpenAPIHono();
  routes.get("/docs", (c) => {
    c.header("content-security-policy", CONTENT_SECURITY_POLICY);
    return c.html(PAGE);
  });
  routes.get("/docs/:file", async (c) => {
    const file = c.req.param("file");
    if (file === "start.js") return c.body(START, 200, { "content-type": JAVASCRIPT });
    const contentType = Object.hasOwn(ASSETS, file) ? ASSETS[file] : undefined;
    if (contentType === undefined) return problem(c, 404, "ROUTE_UNKNOWN", `no such file: ${c.req.path}`);
    c.header("cache-control", "max-age=3600"); // the script alone is 1.7 MB
    return c.body(await readFile(join(folder, file)), 200, { "content-type": contentType });
  });
  return routes;
}
