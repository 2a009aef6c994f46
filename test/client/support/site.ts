import { join } from "node:path";

import { root } from "../../support/process.ts";

/** The site of an application that uses the client. */
export interface Site extends AsyncDisposable {
  url: URL;
  /** The client, as one ES module. It is served at `/client.js`; every other path is an empty page. */
  client: string;
}

export async function startSite(): Promise<Site> {
  const { outputs } = await Bun.build({
    entrypoints: [join(root, "src/client/index.ts")],
    target: "browser",
    minify: true,
  });
  const client = (await outputs[0]?.text()) ?? "";
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) =>
      url.endsWith("/client.js")
        ? new Response(client, { headers: { "content-type": "text/javascript" } })
        : new Response("<!doctype html><title>app</title>", { headers: { "content-type": "text/html" } }),
  });
  return { url: server.url, client, [Symbol.asyncDispose]: () => server.stop(true) };
}
