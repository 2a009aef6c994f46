import { afterEach, beforeEach, describe, expect, type Mock, spyOn, test } from "bun:test";

import { settle } from "../support/samples.ts";
import { connectToFake, opened, outcome } from "./support/fake-server.ts";

let consoleError: Mock<typeof console.error>;
beforeEach(() => void (consoleError = spyOn(console, "error").mockImplementation(() => undefined)));
afterEach(() => consoleError.mockRestore());

describe.each(["unauthorized", "token_expired"] as const)("a token that is refused as %s", (reason) => {
  test("and refused again after a refresh closes the chat, until retry()", async () => {
    const { chat, room, sockets, clock, tokenRequests, welcome, chatEventsOf, eventsOf } =
      await connectToFake();
    chat.on("closed", () => undefined);
    const sent = room.send("still to be sent");
    sockets[0]?.disconnect(4401, reason);
    expect(chat.status).toBe("connecting");
    await clock.advance(500);
    sockets[1]?.disconnect(4401, reason);
    expect([chat.status, room.status]).toEqual(["closed", "closed"]);
    expect(chatEventsOf("closed")).toEqual([{ type: "closed", code: 4401, reason }]);
    expect(eventsOf("closed")).toEqual([{ type: "closed", reason }]);
    expect(await outcome(chat.ready)).toMatchObject({ code: reason });
    expect(await outcome(room.ready)).toMatchObject({ code: reason });
    expect(clock.timers).toEqual([]);
    await clock.advance(3_600_000);
    expect(sockets).toHaveLength(2);

    chat.retry();
    expect([chat.status, room.status]).toEqual(["connecting", "connecting"]);
    await settle();
    expect(tokenRequests.map(({ refresh }) => refresh)).toEqual([false, true, false]);
    await welcome();
    await Promise.all([chat.ready, room.ready]);
    expect([chat.status, room.status]).toEqual(["open", "open"]);
    expect(sockets[2]?.sentTexts).toEqual(["still to be sent"]);
    sockets[2]?.receiveAck(1, 1);
    expect(await sent).toEqual({ seq: 1, rev: 1 });
    expect(consoleError).not.toHaveBeenCalled();
  });

  test("and refused again may be retried by a listener", async () => {
    const { chat, room, sockets, clock, welcome } = await connectToFake();
    room.on("closed", () => chat.retry());
    sockets[0]?.disconnect(4401, reason);
    await clock.advance(500);
    sockets[1]?.disconnect(4401, reason);
    await settle();
    await welcome();
    await Promise.all([chat.ready, room.ready]);
    expect([chat.status, room.status]).toEqual(["open", "open"]);
  });

  test("is renewed again after a connection with the new one", async () => {
    const { chat, sockets, clock, tokenRequests, welcome } = await connectToFake();
    for (let n = 0; n < 3; n++) {
      sockets.at(-1)?.disconnect(4401, reason);
      await clock.advanceToNextTimer();
      await welcome();
      await clock.advance(10_000);
    }
    expect(chat.status).toBe("open");
    expect(tokenRequests.map(({ refresh }) => refresh)).toEqual([false, true, true, true]);
  });
});

describe("when the server closes the chat", () => {
  test("and nobody listens, the console says why", async () => {
    const { sockets } = await connectToFake();
    sockets[0]?.disconnect(4403, "forbidden");
    expect(consoleError.mock.calls).toEqual([
      ["Parley: Connection closed: forbidden. Listen for `closed` events to handle this."],
    ]);
  });

  test.each(["closed", "error"] as const)(
    "and somebody listens for `%s`, the console is silent",
    async (type) => {
      const { chat, sockets } = await connectToFake();
      chat.on(type, () => undefined);
      sockets[0]?.disconnect(4403, "forbidden");
      expect(consoleError).not.toHaveBeenCalled();
    },
  );

  test("iterators end, and those that follow have the events after retry()", async () => {
    const { chat, room, sockets, welcome } = await connectToFake();
    const iterators = [chat[Symbol.asyncIterator](), room[Symbol.asyncIterator]()];
    await welcome(opened(0, []));
    sockets[0]?.disconnect(4403, "forbidden");
    for (const iterator of iterators) {
      const types: string[] = [];
      for await (const { type } of iterator) types.push(type);
      expect(types.at(-1)).toBe("closed");
    }
    chat.retry();
    const next = chat[Symbol.asyncIterator]().next();
    await settle();
    await welcome();
    expect((await next).value).toMatchObject({ type: "rooms" });
    expect(consoleError).not.toHaveBeenCalled();
  });
});
