import { afterAll, describe, expect, test } from "bun:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

import pino from "pino";

import { IssuerMetadata } from "../../src/auth/issuer-metadata.ts";
import { DISCOVERY_PATH, json, startFaultyIssuer } from "../support/faulty-issuer.ts";
import { createHttpApp } from "../support/http-app.ts";

const issuer = await startFaultyIssuer();
const signIn = {
  metadata: new IssuerMetadata({ issuer: issuer.issuer, log: pino({ level: "silent" }), monotonic: () => 0 }),
  clientId: "page",
  scopes: "openid email",
  audience: "https://chat.example.com",
  isDev: false,
  pushKey: null,
};
issuer.handler = json({
  issuer: issuer.issuer,
  authorization_endpoint: "https://id.example.com/authorize",
  token_endpoint: "https://tokens.example.com/token",
});
const http = createHttpApp({}, { signIn });
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  await issuer[Symbol.asyncDispose]();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  http.app.request(`http://chat.example.com${path}`, { headers: { host: "chat.example.com", ...headers } });

/** The URLs of the files that the page at a path links to. */
async function links(path: string): Promise<string[]> {
  const html = await (await get(path)).text();
  return Array.from(html.matchAll(/(?:src|href)="([^"]+)"/g), ([, link = ""]) => {
    expect(link).toStartWith(".");
    return new URL(link, `http://chat.example.com${path}`).pathname;
  });
}

const linked = await links("/");
const script = linked.find((path) => path.endsWith(".js")) ?? "";

describe("the page", () => {
  test.each(["/", "/r/lobby", "/r/lobby/", "/r/lobby/17", "/r/%F0%9F%92%AC/1"])(
    "at %s is the same, with links that work there",
    async (path) => {
      const response = await get(path);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(await links(path)).toEqual(linked);
    },
  );

  test("has its configuration with it, as data that no text can end", async () => {
    const scopes = "openid </script><script>alert(1)</script>";
    await using other = createHttpApp({}, { signIn: { ...signIn, scopes } });
    const html = await (await other.app.request("/r/lobby")).text();
    const [, block = ""] = /<script type="application\/json" id="config">([^<]+)<\/script>/.exec(html) ?? [];
    expect(JSON.parse(block)).toEqual(await (await other.app.request("/config.json")).json());
    expect(JSON.parse(block)).toMatchObject({ client_id: "page", scope: scopes });
  });

  test("may load its own files only, and connect to the server and the issuer", async () => {
    const policy = (await get("/")).headers.get("content-security-policy") ?? "";
    expect(policy.split("; ")).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      "font-src 'self'",
      `connect-src 'self' ws://chat.example.com wss://chat.example.com https://tokens.example.com ${new URL(issuer.issuer).origin}`,
      "manifest-src 'self'",
      "worker-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types parley-service-worker",
    ]);
    const strange = await get("/", { host: "a; script-src *" });
    expect(strange.headers.get("content-security-policy")).not.toContain("*");
  });

  test("is asked for again each time, and sent again when it or its policy has changed", async () => {
    const { headers } = await get("/");
    expect(headers.get("cache-control")).toBe("no-cache");
    const etag = headers.get("etag") ?? "";
    expect((await get("/", { "if-none-match": etag })).status).toBe(304);
    expect((await get("/r/lobby", { "if-none-match": etag })).status).toBe(200);
    expect((await get("/", { "if-none-match": etag, host: "other.example.com" })).status).toBe(200);
  });

  test("does not stand in the way of WebSockets and other methods", async () => {
    expect((await get("/r/lobby", { upgrade: "WebSocket" })).status).toBe(404);
    // Some HTTP clients offer HTTP/2 with each request.
    expect((await get("/r/lobby", { upgrade: "h2c" })).status).toBe(200);
    expect((await http.app.request("/", { method: "POST" })).status).toBe(404);
    const head = await http.app.request("/", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });
});

describe("its files", () => {
  test("are there, with their types", async () => {
    const types = await Promise.all(
      linked.map(async (path) => {
        const { status, headers } = await get(path);
        return `${status} ${path.replace(/^.*\./, "")}: ${headers.get("content-type")}`;
      }),
    );
    expect(types).toEqual([
      "200 svg: image/svg+xml",
      "200 webmanifest: application/manifest+json",
      "200 png: image/png",
      "200 js: text/javascript; charset=utf-8",
      "200 css: text/css; charset=utf-8",
    ]);
  });

  test("include icons of the sizes that the manifest says", async () => {
    const manifest = (await (await get("/manifest.webmanifest")).json()) as {
      icons: { src: string; sizes: string }[];
    };
    const icons = manifest.icons.filter(({ src }) => src.endsWith(".png"));
    expect(icons.map(({ sizes }) => sizes)).toEqual(["192x192", "512x512", "512x512"]);
    for (const { src, sizes } of icons) {
      const bytes = Buffer.from(await (await get(`/${src}`)).bytes());
      // The size stands in the first chunk of a PNG.
      expect(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`).toBe(sizes);
    }
  });

  test("include a service worker, which is asked for again and may fetch from the server only", async () => {
    const { status, headers } = await get("/sw.js");
    expect([status, headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
    expect(headers.get("cache-control")).toBe("no-cache");
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; connect-src 'self'");
  });

  test("in /assets/ never change; the others are asked for again", async () => {
    const caching = async (path: string) => (await get(path)).headers.get("cache-control");
    expect(await caching(script)).toBe("public, max-age=31536000, immutable");
    expect(await caching("/icon.svg")).toBe("no-cache");
    const etag = (await get("/icon.svg")).headers.get("etag") ?? "";
    expect((await get("/icon.svg", { "if-none-match": etag })).status).toBe(304);
  });

  test.each([
    [undefined, null],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip;q=1.0", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["br;q=0.0, identity", null],
    ["zstd", null],
  ])("for Accept-Encoding: %s come as %p", async (accepted, encoding) => {
    const response = await get(script, accepted === undefined ? {} : { "accept-encoding": accepted });
    expect(response.headers.get("content-encoding")).toBe(encoding);
    expect(response.headers.get("vary")).toContain("accept-encoding");
    const bytes = await response.bytes();
    const plain =
      encoding === "br" ? brotliDecompressSync(bytes) : encoding === "gzip" ? gunzipSync(bytes) : bytes;
    expect(Buffer.from(plain).toString()).toBe(await (await get(script)).text());
  });

  test("of <parley-room> may be loaded by pages of other origins, and nothing else may", async () => {
    const embed = await get("/embed.js", { origin: "https://shop.example.com" });
    expect(embed.headers.get("cache-control")).toBe("no-cache");
    const [, asset = ""] = /^import "\.(\/assets\/[^"]+)";\n$/.exec(await embed.text()) ?? [];
    const openTo = async (path: string, headers: Record<string, string> = {}) => {
      const response = await get(path, { origin: "https://shop.example.com", ...headers });
      return [
        response.status,
        response.headers.get("access-control-allow-origin"),
        response.headers.get("cross-origin-resource-policy"),
      ];
    };
    const etag = embed.headers.get("etag") ?? "";
    expect(await openTo("/embed.js")).toEqual([200, "*", "cross-origin"]);
    expect(await openTo("/embed.js", { "if-none-match": etag })).toEqual([304, "*", "cross-origin"]);
    expect(await openTo(asset)).toEqual([200, "*", "cross-origin"]);
    for (const path of ["/", "/icon.svg", "/config.json", "/healthz"])
      expect([path, ...(await openTo(path))]).toEqual([path, 200, null, null]);
  });

  test.each(["/assets/main-00000000.js", "/assets/..%2findex.html", "/other.svg"])(
    "%s is not among them",
    async (path) => {
      const response = await get(path);
      expect([response.status, response.headers.get("content-type")]).toEqual([
        404,
        "application/problem+json",
      ]);
    },
  );
});

describe("GET /config.json", () => {
  test("says where and how users sign in", async () => {
    const response = await get("/config.json");
    expect(await response.json()).toEqual({
      issuer: issuer.issuer,
      client_id: "page",
      scope: "openid email",
      audience: "https://chat.example.com",
      authorization_endpoint: "https://id.example.com/authorize",
      token_endpoint: "https://tokens.example.com/token",
      end_session_endpoint: null,
      id_token_signing_alg_values_supported: ["RS256"],
      dev: false,
      push_key: null,
    });
  });

  test("without a client id says so, and asks nobody", async () => {
    await using other = createHttpApp();
    const asked = issuer.hits.get(DISCOVERY_PATH);
    const response = await other.app.request("/config.json");
    expect(await response.json()).toEqual({
      issuer: "https://id.example.com",
      client_id: null,
      push_key: null,
    });
    expect(issuer.hits.get(DISCOVERY_PATH)).toBe(asked);
  });

  test("answers 503 while the issuer does not answer, and the page is served all the same", async () => {
    await using down = await startFaultyIssuer();
    const log = pino({ level: "silent" });
    const metadata = new IssuerMetadata({ issuer: down.issuer, log, monotonic: () => 0 });
    await using other = createHttpApp({}, { signIn: { ...signIn, metadata } });
    const response = await other.app.request("/config.json");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "keys_unavailable" });
    const page = await other.app.request("/");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).not.toContain("https://");
    // Without the configuration, it must not be kept for later.
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(await page.text()).not.toContain('id="config"');
  });
});
