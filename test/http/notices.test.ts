import { expect, test } from "bun:test";

import type { Socket } from "../../src/ws/connections.ts";
import { Notices } from "../../src/ws/notices.ts";
import { actor } from "../support/people.ts";

/** A socket for which so many bytes wait. */
function reader(waiting: number) {
  const heard: string[] = [];
  const subscribed = new Set(["room:7:notices"]);
  const socket = {
    data: { protocol: "chat.v2", room: 7, withheld: undefined },
    getBufferedAmount: () => waiting,
    subscribe: (topic: string) => void subscribed.add(topic),
    unsubscribe: (topic: string) => void subscribed.delete(topic),
    send: (text: string) => void heard.push(text),
  };
  return { socket: socket as unknown as Socket, subscribed, heard };
}

test("a reader goes without notices from more than 64 KiB on that wait for him, and no sooner", () => {
  const readers = [reader(0), reader(65_536), reader(65_537)];
  const connections = { in: () => readers.map(({ socket }) => socket) };
  const chat = { told: () => new Map(), online: () => [] };
  // Something waits for somebody.
  const server = { subscriberCount: () => readers.length, publish: () => -1 };
  const notices = new Notices(chat as never, connections as never, () => server as never);
  notices.tell(7, { type: "typing", user: actor(1) });
  expect(readers.map(({ subscribed }) => subscribed.size)).toEqual([1, 1, 0]);
});

test("a reader who went without notices hears them again only when little waits for him", () => {
  for (const [waiting, again] of [
    [65_537, false],
    [65_536, true],
  ] as const) {
    const { socket, subscribed, heard } = reader(waiting);
    subscribed.clear();
    const chat = { online: () => [actor(2)] };
    const notices = new Notices(chat as never, {} as never, () => ({}) as never);
    notices.withhold(socket, [actor(1)]);
    notices.resume(socket);
    expect([subscribed.size > 0, heard.length]).toEqual([again, again ? 2 : 0]);
  }
});
