import type { Context, MiddlewareHandler } from "hono";

import { ChatError } from "../../chat/errors.ts";
import type { PageConfig } from "../../protocol/responses.ts";
import type { Env } from "../env.ts";
import { isNamedIn, weakEtag } from "../etag.ts";
import { problem } from "../problem.ts";
import { chooseEncoding, type PageFile, type PageFiles, readPageFiles } from "./files.ts";
import { contentSecurityPolicy, embedHeaders, fileHeaders, SERVICE_WORKER_POLICY } from "./headers.ts";
import { readPageConfig, type SignInOptions } from "./sign-in-config.ts";

/** The URLs of the page: the list of rooms, a room `/r/<room>`, and a message in it, `/r/<room>/<seq>`. */
const PAGE_PATH = /^\/(r\/.*)?$/;
/** The names of these files have a hash of their content, so they never change. */
const ASSETS = "assets/";
/** The script of `<parley-room>`. */
const EMBED = "embed.js";
const IMMUTABLE = "public, max-age=31536000, immutable";

/** Serves the page and its files. Any other request, and every upgrade to a WebSocket, is left to the routes. */
export function servePage(signIn: SignInOptions): MiddlewareHandler<Env> {
  let reading: Promise<PageFiles> | undefined;
  const readFiles = () => (reading ??= readPageFiles());
  return async (c, next) => {
    const { method, path } = c.req;
    const isPage = PAGE_PATH.test(path);
    const isFile = /^\/(assets\/[^/]+|(embed|sw)\.js|[^/]+\.(svg|png|webmanifest))$/.test(path);
    if (
      !(isPage || isFile) ||
      (method !== "GET" && method !== "HEAD") ||
      c.req.header("upgrade")?.toLowerCase() === "websocket"
    )
      return next();
    const files = await readFiles();
    const name = isPage ? "index.html" : path.slice(1);
    const file = files.get(name);
    if (!file) return problem(new ChatError("invalid_command", "There is no such file."), 404);
    return isPage
      ? sendPage(c, file, await readPageConfig(signIn).catch(() => undefined))
      : sendFile(c, name, file);
  };
}

/**
 * The links in the page are relative, so that a proxy may serve Parley below a path. `config` is undefined while the issuer
 * does not answer; then nobody keeps the page.
 */
function sendPage(c: Context<Env>, file: PageFile, config: PageConfig | undefined): Response {
  const depth = c.req.path.split("/").length - 2;
  const root = "../".repeat(depth) || "./";
  const html = new TextDecoder()
    .decode(file.content)
    .replaceAll("{root}", root)
    .replace("<!--config-->", () => (config ? dataBlock(config) : ""));
  const issuerUrls = config && config.client_id !== null ? [config.token_endpoint, config.issuer] : [];
  const policy = contentSecurityPolicy({ host: c.req.header("host"), issuerUrls });
  const headers = {
    ...fileHeaders,
    "cache-control": config ? "no-cache" : "no-store",
    // Not only of the text: the policy must be as new as the page.
    etag: weakEtag(policy + html),
    "content-security-policy": policy,
    "cross-origin-opener-policy": "same-origin",
  };
  if (isNamedIn(c.req.header("if-none-match"), headers.etag)) return c.body(null, 304, headers);
  return c.body(html, 200, { ...headers, "content-type": file.contentType });
}

/** What `/config.json` answers, in the page, so that no other request is needed. It is data, which is never executed. */
function dataBlock(config: PageConfig): string {
  const json = JSON.stringify(config).replaceAll("<", "\\u003c");
  return `<script type="application/json" id="config">${json}</script>`;
}

async function sendFile(c: Context<Env>, name: string, file: PageFile): Promise<Response> {
  const headers = {
    ...fileHeaders,
    "cache-control": name.startsWith(ASSETS) ? IMMUTABLE : "no-cache",
    vary: "accept-encoding",
    etag: file.etag,
    ...(name === "sw.js" && { "content-security-policy": SERVICE_WORKER_POLICY }),
    ...((name === EMBED || name.startsWith(ASSETS)) && embedHeaders),
  };
  if (isNamedIn(c.req.header("if-none-match"), file.etag)) return c.body(null, 304, headers);
  const encoding = chooseEncoding(c.req.header("accept-encoding"));
  const content = encoding ? await file.compressed(encoding) : file.content;
  return c.body(new Uint8Array(content), 200, {
    ...headers,
    "content-type": file.contentType,
    ...(encoding && { "content-encoding": encoding }),
  });
}
