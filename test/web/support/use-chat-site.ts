import { afterAll, beforeAll, setDefaultTimeout } from "bun:test";

import { startBrowser } from "../../support/browser.ts";
import { type BrowserAndSite, type ChatSite, startChatSite } from "./chat-site.ts";

/** The first test may have to unpack a browser. */
const TIMEOUT_MS = 60_000;

/** A browser and a site for all tests of a file. Both are undefined outside tests. */
export function useChatSite(start: () => Promise<ChatSite> = startChatSite): BrowserAndSite {
  setDefaultTimeout(TIMEOUT_MS);
  const web: Partial<BrowserAndSite> = {};
  beforeAll(async () => {
    [web.browser, web.site] = await Promise.all([startBrowser(), start()]);
  });
  afterAll(async () => {
    await web.browser?.close();
    await web.site?.[Symbol.asyncDispose]();
  });
  return web as BrowserAndSite;
}
