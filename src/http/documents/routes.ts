import { type Context, Hono } from "hono";

import { ChatError } from "../../chat/errors.ts";
import type { Env } from "../env.ts";
import { isNamedIn, weakEtag } from "../etag.ts";
import { problem } from "../problem.ts";
import { createAsyncApi } from "./asyncapi.ts";
import { createOpenApi } from "./openapi.ts";
import { page, type PageFile, pageFiles, pageHeaders } from "./page.ts";

/** What is served at one path. */
interface Served {
  content: string;
  etag: string;
}

const json = (create: () => object): PageFile => ({
  contentType: "application/json",
  read: async () => JSON.stringify(create()),
});

/** The documents and their page. They need no token, and are built when they are first asked for. */
export function createDocumentRoutes(): Hono<Env> {
  const routes = new Hono<Env>();
  const served = new Map<PageFile, Promise<Served>>();

  async function serve(c: Context<Env>, file: PageFile): Promise<Response> {
    const reading = served.get(file) ?? file.read().then((content) => ({ content, etag: weakEtag(content) }));
    served.set(file, reading);
    const { content, etag } = await reading;
    // Another version of the server has other documents.
    const headers = { etag, "cache-control": "no-cache", ...pageHeaders };
    if (isNamedIn(c.req.header("if-none-match"), etag)) return c.body(null, 304, headers);
    return c.body(content, 200, { ...headers, "content-type": file.contentType });
  }

  const [openApi, asyncApi] = [json(createOpenApi), json(createAsyncApi)];
  routes.get("/openapi.json", (c) => serve(c, openApi));
  routes.get("/asyncapi.json", (c) => serve(c, asyncApi));
  routes.get("/docs", (c) => serve(c, page));
  // The page's links are relative, so that a proxy may serve it below a path.
  routes.get("/docs/", (c) => c.redirect("../docs", 308));
  routes.get("/docs/:file", (c) => {
    const name = c.req.param("file");
    const file = Object.hasOwn(pageFiles, name) ? pageFiles[name] : undefined;
    return file ? serve(c, file) : problem(new ChatError("invalid_command", "There is no such file."), 404);
  });
  return routes;
}
