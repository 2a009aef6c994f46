import { expect, test } from "bun:test";

import type { ServerFrame } from "../../src/protocol/frames.ts";
import { Client, WebSocket } from "../support/client.ts";
import { useServer } from "../support/server.ts";

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0" } });
const [alice, bob] = ["alice@example.com", "bob@example.com"] as const;

class SessionClient extends Client<ServerFrame> {
  override readonly initialTexts: readonly string[] = [];

  override post(text: string): void {
    this.send({ type: "send", id: text, text });
  }
}

test("a deletion that no activity has told of yet is counted when the room is opened", async () => {
  const room = await server.createRoom([alice, bob]);
  const writer = await server.connectV2(room, bob);
  await Promise.all(Array.from({ length: 60 }, (_, index) => writer.say(`Number ${index + 1}`)));
  const headers = { authorization: `Bearer ${await server.token(alice)}` };
  const session = new SessionClient(new WebSocket(`ws://${server.host}/ws/`, ["chat.v2"], { headers }));
  await session.next((frame) => frame.type === "hello");
  // The first deletion is told at once, the second one after an interval. Both are older than the last 50 messages.
  await writer.ack({ type: "delete", seq: 1 });
  await session.next((frame) => frame.type === "activity");
  await writer.ack({ type: "delete", seq: 2 });
  session.send({ type: "open", id: "1", room });
  const opened = await session.next((frame) => frame.type === "opened");
  const summaries = session.unread().find((frame) => frame.type === "rooms");
  expect(opened).toMatchObject({ resumed: false, rev: 62 });
  expect(summaries?.rooms).toMatchObject([{ id: room, rev: 62, unread: 58 }]);
});
