import { expect, test } from "bun:test";

import { SearchTurns } from "../../src/chat/search-turns.ts";

test("searches at the same time work in different turns of the event loop", async () => {
  let turn = 0;
  let isWatching = true;
  const watch = () => {
    turn++;
    if (isWatching) setImmediate(watch);
  };
  setImmediate(watch);
  let now = 0;
  const turns = new SearchTurns(() => now);
  const worked: number[] = [];
  const search = async () => {
    const work = await turns.begin();
    for (let part = 0; part < 5; part++) {
      worked.push(turn);
      now += 5;
      await work.pause();
    }
  };
  await Promise.all([search(), search(), search(), search()]);
  isWatching = false;
  expect(worked).toHaveLength(20);
  expect(new Set(worked).size).toBe(20);
});

test("a search pauses after 3 ms, and its pauses are not counted", async () => {
  let now = 0;
  const turns = new SearchTurns(() => now);
  const work = await turns.begin();
  now += 2;
  let paused = work.pause();
  // Had it waited, this would run first.
  let isLater = false;
  setImmediate(() => void (isLater = true));
  await paused;
  expect(isLater).toBe(false);
  now += 2;
  paused = work.pause();
  now += 1000;
  await paused;
  expect(isLater).toBe(true);
  now += 1;
  expect(work.milliseconds).toBe(5);
});
