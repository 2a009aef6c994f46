// The page's own files, kept for the time without a network. The document comes from the network while that is fast, so
// that it is as new as the server. The other files have a hash in their names.

declare const self: ServiceWorkerGlobalScope;
/** Paths of the other files. The build inserts them. */
declare const ASSETS: readonly string[];

/** URL of the page, with a slash at the end. */
export const root = self.registration.scope;
const rootPath = new URL(root).pathname;
const cacheName = `parley.files:${rootPath}`;

/** How long the network may take before the stored document is shown. The new one is stored for the next time. */
const NETWORK_WAIT_MS = 300;

/** The path of a URL below that of the page. Undefined for any other URL. */
function pathOf(url: string): string | undefined {
  return url.startsWith(root) ? new URL(url).pathname.slice(rootPath.length) : undefined;
}

/** Whether this is the URL of the page, of a room or of a message. They all have the same document. */
export const isPage = (url: string) => /^(r\/.*)?$/.test(pathOf(url) ?? "-");

export const isFile = (url: string) => pathOf(url)?.startsWith("assets/") === true;

export async function storeFiles(): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.addAll(ASSETS);
  await storePage(await fetch(root));
}

/** Removes the files of versions before this one. */
export async function removeOldFiles(): Promise<void> {
  const cache = await caches.open(cacheName);
  const current = new Set([root, ...ASSETS.map((path) => root + path)]);
  for (const { url } of await cache.keys()) if (!current.has(url)) await cache.delete(url);
}

export async function answerFromFiles(request: Request): Promise<Response> {
  return (await match(request)) ?? fetch(request);
}

/** Answers a navigation to the page. */
export async function openPage(event: FetchEvent): Promise<Response> {
  const stored = await match(root);
  const fetching = fetch(root, { redirect: "manual" });
  const storing = fetching.then((response) => storePage(response.clone())).catch(() => undefined);
  event.waitUntil(storing);
  if (stored) {
    // The issuer has just sent the user back: they came from the page a moment ago.
    const isReturn = new URL(event.request.url).searchParams.has("state");
    const waitMs = isReturn ? 0 : NETWORK_WAIT_MS;
    const response = await Promise.race([fetching.catch(() => undefined), wait(waitMs)]);
    if (!response || response.status >= 500) return atAnyDepth(stored);
    return answer(event.request, response);
  }
  return answer(event.request, await fetching);
}

/** A redirect leads to a sign-in page that a proxy has, which only a real navigation can show. */
async function answer(request: Request, response: Response): Promise<Response> {
  if (response.type === "opaqueredirect") return fetch(request);
  return response.ok ? atAnyDepth(response) : response;
}

/** Stores the document, once all files that it links to are stored. */
async function storePage(response: Response): Promise<void> {
  const html = await response.clone().text();
  // It lacks the configuration while the server can't reach the issuer. Or this is a page of a proxy.
  if (!response.ok || !html.includes('id="config"')) return;
  const cache = await caches.open(cacheName);
  for (const [, path = ""] of html.matchAll(/="\.\/(assets\/[^"]+)"/g))
    if (!(await cache.match(path))) await cache.add(path);
  await cache.put(root, response);
}

/** The links of the document are relative to its root, and this one is shown at any depth. */
async function atAnyDepth(response: Response): Promise<Response> {
  const headers = new Headers(response.headers);
  // They describe the response as it was sent, compressed.
  headers.delete("content-encoding");
  headers.delete("content-length");
  const html = await response.text();
  return new Response(html.replaceAll('="./', `="${rootPath}`), { headers });
}

const match = async (request: Request | string) => (await caches.open(cacheName)).match(request);

const wait = (milliseconds: number) =>
  new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), milliseconds);
  });
