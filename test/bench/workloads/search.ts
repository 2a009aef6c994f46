import { join } from "node:path";

import { Random } from "../../support/random.ts";
import { integer, percentile } from "../measure.ts";
import { fillForSearch, indexAll } from "../seed.ts";
import type { Server } from "../server.ts";
import { email, type Testbed } from "../testbed.ts";
import { Vocabulary } from "../vocabulary.ts";

const MESSAGES = 1_000_000;
/** The user who searches is in every second one of them. */
const ROOMS = 100;
const WARM_UP_SEARCHES = 20;
const SEARCHES = 300;

/** Searches of words in a million messages: how long they take, and how large the index is. */
export async function search(testbed: Testbed): Promise<string[]> {
  const lines: string[] = [];
  for (const script of ["latin", "han"] as const) {
    const path = join(testbed.folder, `search-${script}.db`);
    const words = new Vocabulary(script);
    fillForSearch(path, { rooms: ROOMS, messages: MESSAGES, member: email(0), text: () => words.text() });
    const { textBytes, indexBytes, microseconds } = await indexAll(path);
    const ratio = (indexBytes / textBytes).toFixed(2);
    const size = `${integer(textBytes / 2 ** 20)} MiB of text, index ${integer(indexBytes / 2 ** 20)} MiB (${ratio} ×)`;
    lines.push(`search, ${script}: ${size}, ${microseconds.toFixed(1)} µs of CPU per message to index`);
    await using server = await testbed.parley(path);
    const token = await testbed.token(0);
    const random = new Random(1, script);
    for (const [name, query] of Object.entries(words.queries(random)))
      lines.push(`  ${name}: ${await timeSearches(server, token, query)}`);
  }
  return lines;
}

/** How long searches take over HTTP, one after another. */
async function timeSearches({ url }: Server, token: string, query: () => string): Promise<string> {
  const times: number[] = [];
  let results = 0;
  for (let index = 0; index < WARM_UP_SEARCHES + SEARCHES; index++) {
    const target = new URL("/api/search", url);
    target.searchParams.set("q", query());
    const start = performance.now();
    const response = await fetch(target, { headers: { authorization: `Bearer ${token}` } });
    const body = (await response.json()) as { results: unknown[] };
    if (!response.ok) throw new Error(`a search failed: ${JSON.stringify(body)}`);
    if (index < WARM_UP_SEARCHES) continue;
    times.push(performance.now() - start);
    results += body.results.length;
  }
  const at = (share: number) => `${percentile(times, share).toFixed(1)} ms`;
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}; ${(results / SEARCHES).toFixed(1)} results on the page`;
}
