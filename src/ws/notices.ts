import type { BusEvent } from "../chat/bus.ts";
import type { Chat } from "../chat/chat.ts";
import type { Mute } from "../chat/decide-posting.ts";
import type { MarkMove, Notice, RoomKey, User, UserKey } from "../chat/model.ts";
import { encodeMute, encodeNotice, encodePresence, encodeRead } from "../protocol/v2.ts";
import type { TopicServer } from "./broadcast.ts";
import type { Connection } from "./connection.ts";
import { OpenRoom } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { SLOW_READER_BYTES } from "./limits.ts";
import { topics } from "./topics.ts";

/** Notices of one room, in a row, for which its readers are checked once: each check looks at everybody in the room. */
const NOTICES_PER_CHECK = 32;

/** Publishes notices. They are withheld from slow readers, who are told later who came and went. */
export class Notices {
  #lastCheck: { room: RoomKey; noticesLeft: number } | undefined;

  constructor(
    private readonly chat: Chat,
    private readonly connections: Pick<Connections, "of">,
    private readonly server: TopicServer,
  ) {}

  receive(event: BusEvent): void {
    if (event.kind === "notice") this.publish(event.room, event.notice);
    else if (event.kind === "read" && event.sent) this.#publishSent(event.room, event.user, event.mark);
    else if (event.kind === "read") this.#publishRead(event.room, event.user, event.mark);
    else if (event.kind === "mute") this.#tellMute(event.room, event.user, event.mute);
  }

  /** Publishes a notice to everyone who has the room open, and to the sessions that need it for their list of rooms. */
  publish(room: RoomKey, notice: Notice): void {
    const id = this.chat.roomId(room);
    if (id === undefined) return;
    const withheld = notice.type === "room" ? this.#withheldFrom(room) : [];
    this.#publish(room, () => encodeNotice(id, notice));
    if (notice.type === "room") {
      this.server.publish(topics.activity(room), encodeNotice(id, notice), false);
      // Nothing else would tell them later.
      sendToEach(withheld, () => encodeNotice(id, notice));
    } else if (notice.type === "member" && notice.role !== null) {
      const { key } = notice.user;
      // A membership that has just begun is announced by `joined`.
      const sessions = this.chat.sessions.has(room, key) ? this.#sessionsOf(key) : [];
      const unaware = sessions.filter((each) => !each.isSubscribed(topics.notices(room)));
      sendToEach(unaware, () => encodeNotice(id, notice));
    }
  }

  /** Publishes a read mark that has moved: to the room, unless it is large, and to all connections of its user. */
  #publishRead(room: RoomKey, user: User, mark: MarkMove): void {
    const id = this.chat.roomId(room);
    if (id === undefined) return;
    const encode = () => encodeRead(id, user, mark);
    const isPublished = this.chat.announcesReads(room);
    if (isPublished) this.#publish(room, encode);
    const own = [...this.#sessionsOf(user.key), ...this.#roomConnectionsOf(user.key, room)];
    const unaware = own.filter((each) => !isPublished || !each.isSubscribed(topics.notices(room)));
    sendToEach(unaware, encode);
  }

  /** Publishes a read mark that has moved by sending a message. Clients that have the room open learn it from the message. */
  #publishSent(room: RoomKey, user: User, mark: MarkMove): void {
    const id = this.chat.roomId(room);
    if (id === undefined) return;
    // No arrays, since this runs for every message.
    for (const connection of this.connections.of(user.key))
      if (connection.session?.isLive && !connection.session.isFollowing({ key: room, id }))
        connection.send(encodeRead(id, user, mark));
  }

  /** Tells a user that they have been muted, or may write again, where they have the room open. */
  #tellMute(room: RoomKey, user: UserKey, mute: Mute | undefined): void {
    for (const { session, room: only } of this.connections.of(user))
      for (const open of session?.openRooms() ?? (only ? [only] : [])) {
        // A mute does not bind an administrator.
        if (open.room.key !== room || open.user.admin) continue;
        // The first frame of the room tells it, if that has not been sent.
        open.mute = mute ?? null;
        if (open.hasStarted) open.connection.send(encodeMute(open.room.id, mute));
      }
  }

  /** Withholds notices from a connection until `resume`. `online` is what its client knows. */
  withhold(open: OpenRoom, online: readonly User[]): void {
    open.knownOnline = new Map(online.map((user) => [user.key, user]));
  }

  /** Ends the withholding once the reader has caught up: tells it who came and went, and subscribes it again. */
  resume(open: OpenRoom): void {
    const { knownOnline: known, connection, room } = open;
    // As long as bytes wait, another `drain` event will follow.
    if (!known || connection.bufferedBytes > SLOW_READER_BYTES) return;
    open.knownOnline = undefined;
    const viewer = connection.user.key;
    const online = new Map(this.chat.listOnline(room.key, viewer).map((user) => [user.key, user]));
    for (const [key, user] of known)
      if (!online.has(key)) connection.send(encodePresence(room.id, user, false));
    for (const [key, user] of online)
      if (!known.has(key)) connection.send(encodePresence(room.id, user, true));
    connection.subscribe(topics.notices(room.key));
  }

  #publish(room: RoomKey, encode: () => string): void {
    const topic = topics.notices(room);
    if (this.server.subscriberCount(topic) === 0) return;
    // A negative result means that bytes wait for at least one subscriber.
    if (this.server.publish(topic, encode(), false) < 0) this.#checkReaders(room);
  }

  /** Connections with a session to which frames about the list of rooms can be sent. */
  #sessionsOf(user: UserKey): Connection[] {
    return [...this.connections.of(user)].filter(({ session }) => session?.isLive);
  }

  #roomConnectionsOf(user: UserKey, key: RoomKey): Connection[] {
    return [...this.connections.of(user)].filter(
      ({ protocol, room }) => protocol === "chat.v2" && room?.room.key === key && room.isLive,
    );
  }

  /** Connections from which notices of the room are withheld, and that do not follow its activity either. */
  #withheldFrom(room: RoomKey): Connection[] {
    return this.chat.participants(room).flatMap((open) => {
      if (!(open instanceof OpenRoom) || !open.knownOnline) return [];
      return open.connection.isSubscribed(topics.activity(room)) ? [] : [open.connection];
    });
  }

  #checkReaders(room: RoomKey): void {
    const last = this.#lastCheck;
    if (last?.room === room && last.noticesLeft-- > 0) return;
    this.#lastCheck = { room, noticesLeft: NOTICES_PER_CHECK - 1 };
    this.#withholdFromSlowReaders(room);
  }

  #withholdFromSlowReaders(room: RoomKey): void {
    let announced: ReadonlyMap<UserKey, User> | undefined;
    for (const open of this.chat.participants(room)) {
      if (!(open instanceof OpenRoom) || open.connection.protocol !== "chat.v2") continue;
      if (open.knownOnline || open.connection.bufferedBytes <= SLOW_READER_BYTES) continue;
      open.connection.unsubscribe(topics.notices(room));
      open.knownOnline = announced ??= this.chat.announcedOnline(room);
    }
  }
}

function sendToEach(connections: readonly Connection[], encode: () => string): void {
  if (connections.length === 0) return;
  const frame = encode();
  for (const connection of connections) connection.send(frame);
}
