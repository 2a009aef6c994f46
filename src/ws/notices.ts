import type { Chat } from "../chat/chat.ts";
import type { Notice, RoomKey, User, UserKey } from "../chat/model.ts";
import { encodeNotice, encodePresence } from "../protocol/v2.ts";
import { topics, type TopicServer } from "./broadcast.ts";
import { Connection } from "./connection.ts";

/** Bytes that may wait for a reader before notices are withheld from it. */
const SLOW_READER_BYTES = 65_536;
/** Notices of one room, in a row, for which its readers are checked once: each check looks at everybody in the room. */
const NOTICES_PER_CHECK = 32;

/** Publishes notices. They are withheld from slow readers, who are told later who came and went. */
export class Notices {
  #lastCheck: { room: RoomKey; noticesLeft: number } | undefined;

  constructor(
    private readonly chat: Chat,
    private readonly server: TopicServer,
  ) {}

  publish(room: RoomKey, notice: Notice): void {
    const topic = topics.notices(room);
    if (this.server.subscriberCount(topic) === 0) return;
    // A negative result means that bytes wait for at least one subscriber.
    if (this.server.publish(topic, encodeNotice(notice), false) < 0) this.#checkReaders(room);
  }

  /** Withholds notices from a connection until `resume`. `online` is what its client knows. */
  withhold(connection: Connection, online: readonly User[]): void {
    connection.knownOnline = new Map(online.map((user) => [user.key, user]));
  }

  /** Ends the withholding once the reader has caught up: tells it who came and went, and subscribes it again. */
  resume(connection: Connection): void {
    const { knownOnline: known, room, user: viewer } = connection;
    // As long as bytes wait, another `drain` event will follow.
    if (!known || connection.bufferedBytes > SLOW_READER_BYTES) return;
    connection.knownOnline = undefined;
    const online = new Map(this.chat.listOnline(room, viewer.key).map((user) => [user.key, user]));
    for (const [key, user] of known) if (!online.has(key)) connection.send(encodePresence(user, false));
    for (const [key, user] of online) if (!known.has(key)) connection.send(encodePresence(user, true));
    connection.subscribe(topics.notices(room));
  }

  #checkReaders(room: RoomKey): void {
    const last = this.#lastCheck;
    if (last?.room === room && last.noticesLeft-- > 0) return;
    this.#lastCheck = { room, noticesLeft: NOTICES_PER_CHECK - 1 };
    this.#withholdFromSlowReaders(room);
  }

  #withholdFromSlowReaders(room: RoomKey): void {
    let announced: ReadonlyMap<UserKey, User> | undefined;
    for (const connection of this.chat.participants(room)) {
      if (!(connection instanceof Connection) || connection.protocol !== "chat.v2") continue;
      if (connection.knownOnline || connection.bufferedBytes <= SLOW_READER_BYTES) continue;
      connection.unsubscribe(topics.notices(room));
      connection.knownOnline = announced ??= this.chat.announcedOnline(room);
    }
  }
}
