import type { RoomKey, User, UserKey } from "../../chat/model.ts";
import type {
  Push,
  PushMessage,
  PushReader,
  PushRoom,
  PushStore,
  PushSubscription,
  PushTarget,
  ReadersPage,
} from "../../chat/push-store.ts";
import type { Db } from "./open.ts";
import { Statements } from "./statements.ts";
import { toStoreError, type Writer } from "./writer.ts";

/** A page presents its subscription whenever it is loaded. That is stored once in this time. */
const REFRESH_MS = 24 * 3_600_000;
/** Code points of a text that are read. */
const MAX_TEXT_LENGTH = 400;

const NOBODY: ReadonlySet<UserKey> = new Set();

type ReaderRow = [user: UserKey, subscription: number, endpoint: string, read: number];

const SELECT_READERS = `SELECT m.user_pk, p.pk, p.endpoint, coalesce(r.seq, 0)`;
const JOIN_SUBSCRIPTIONS = `CROSS JOIN push_subscriptions AS p ON p.user_pk = m.user_pk AND p.created_at >= ?
  LEFT JOIN reads AS r ON r.room_pk = m.room_pk AND r.user_pk = m.user_pk`;

/** The `PushStore` in the database of the messages. */
export class SqlitePushStore implements PushStore {
  readonly #statements: Statements;

  constructor(
    { $client }: Pick<Db, "$client">,
    private readonly writer: Writer,
  ) {
    this.#statements = new Statements($client);
  }

  async subscribe(user: UserKey, subscription: PushSubscription, at: number, limit: number): Promise<void> {
    const { endpoint, p256dh, auth } = subscription;
    const isFresh = this.#read(
      `SELECT 1 FROM push_subscriptions
        WHERE endpoint = ? AND user_pk + 0 = ? AND p256dh = ? AND auth = ? AND created_at > ?`,
      endpoint,
      user,
      p256dh,
      auth,
      at - REFRESH_MS,
    );
    if (isFresh.length > 0) return;
    await this.writer.write(() => {
      this.#statements.run("DELETE FROM push_subscriptions WHERE endpoint = ?", endpoint);
      this.#statements.run(
        "INSERT INTO push_subscriptions (user_pk, endpoint, p256dh, auth, created_at) VALUES (?, ?, ?, ?, ?)",
        user,
        endpoint,
        p256dh,
        auth,
        at,
      );
      this.#statements.run(
        `DELETE FROM push_subscriptions WHERE pk IN
          (SELECT pk FROM push_subscriptions WHERE user_pk = ? ORDER BY pk DESC LIMIT -1 OFFSET ?)`,
        user,
        limit,
      );
    });
  }

  async unsubscribe(user: UserKey, endpoint: string): Promise<void> {
    await this.writer.write(() =>
      this.#statements.run(
        "DELETE FROM push_subscriptions WHERE endpoint = ? AND user_pk + 0 = ?",
        endpoint,
        user,
      ),
    );
  }

  async forget({ subscription, endpoint }: Pick<Push, "subscription" | "endpoint">): Promise<void> {
    await this.writer.write(() =>
      this.#statements.run(
        "DELETE FROM push_subscriptions WHERE pk = ? AND endpoint = ?",
        subscription,
        endpoint,
      ),
    );
  }

  async pushMessages(
    key: RoomKey,
    seqs: readonly number[],
  ): Promise<{ room: PushRoom; messages: PushMessage[] } | undefined> {
    const [room] = this.#read<[id: string, name: string, isDirect: number]>(
      "SELECT id, name, direct IS NOT NULL FROM rooms WHERE pk = ? AND deleted_at IS NULL",
      key,
    );
    if (!room) return undefined;
    const [id, name, isDirect] = room;
    const json = JSON.stringify(seqs);
    const mentioned = new Map<number, Set<UserKey>>();
    const mentions = this.#read<[seq: number, user: UserKey]>(
      `SELECT n.seq, n.user_pk FROM json_each(?)
        CROSS JOIN mentions AS n ON n.room_pk = ? AND n.seq = json_each.value`,
      json,
      key,
    );
    for (const [seq, user] of mentions) {
      const users = mentioned.get(seq);
      if (users) users.add(user);
      else mentioned.set(seq, new Set([user]));
    }
    const rows = this.#read<[seq: number, text: string, ...UserColumns]>(
      `SELECT m.seq, substr(m.text, 1, ${MAX_TEXT_LENGTH}), u.pk, u.sub, u.email, u.name FROM json_each(?)
        CROSS JOIN messages AS m ON m.room_pk = ? AND m.seq = json_each.value
        CROSS JOIN users AS u ON u.pk = m.sender_pk
        WHERE m.deleted_at IS NULL ORDER BY m.seq`,
      json,
      key,
    );
    const messages = rows.map(([seq, text, ...sender]): PushMessage => {
      return { seq, text, sender: toUser(sender), mentioned: mentioned.get(seq) ?? NOBODY };
    });
    return { room: { key, id, name, isDirect: isDirect === 1 }, messages };
  }

  async readersAmong(room: RoomKey, users: readonly UserKey[], since: number): Promise<PushReader[]> {
    return this.#read<ReaderRow>(
      `${SELECT_READERS} FROM json_each(?)
        CROSS JOIN members AS m ON m.room_pk = ? AND m.user_pk = json_each.value
        ${JOIN_SUBSCRIPTIONS}`,
      JSON.stringify(users),
      room,
      since,
    ).map(toReader);
  }

  async readers(
    room: RoomKey,
    { after, limit, since }: { after: UserKey; limit: number; since: number },
  ): Promise<ReadersPage> {
    // Two statements: the first one counts members without a subscription, too.
    const [page] = this.#read<[count: number, last: UserKey | null]>(
      `SELECT count(*), max(user_pk) FROM
        (SELECT user_pk FROM members WHERE room_pk = ? AND user_pk > ? ORDER BY user_pk LIMIT ?) AS page`,
      room,
      after,
      limit,
    );
    const [count = 0, last = null] = page ?? [];
    if (last === null) return { readers: [], next: undefined };
    const rows = this.#read<ReaderRow>(
      `${SELECT_READERS} FROM members AS m ${JOIN_SUBSCRIPTIONS}
        WHERE m.room_pk = ? AND m.user_pk > ? AND m.user_pk <= ?`,
      since,
      room,
      after,
      last,
    );
    return { readers: rows.map(toReader), next: count < limit ? undefined : last };
  }

  async targetOf({ subscription, user, room, message }: Push): Promise<PushTarget | undefined> {
    const [found] = this.#read<[endpoint: string, p256dh: string, auth: string, text: string]>(
      `SELECT p.endpoint, p.p256dh, p.auth, substr(messages.text, 1, ${MAX_TEXT_LENGTH}) FROM push_subscriptions AS p
        CROSS JOIN rooms ON rooms.pk = ? AND rooms.deleted_at IS NULL
        CROSS JOIN members AS m ON m.room_pk = rooms.pk AND m.user_pk = p.user_pk
        CROSS JOIN messages ON messages.room_pk = rooms.pk AND messages.seq = ? AND messages.deleted_at IS NULL
        LEFT JOIN reads AS r ON r.room_pk = rooms.pk AND r.user_pk = p.user_pk
        WHERE p.pk = ? AND p.user_pk + 0 = ? AND coalesce(r.seq, 0) < messages.seq`,
      room.key,
      message.seq,
      subscription,
      user,
    );
    return found && { endpoint: found[0], p256dh: found[1], auth: found[2], text: found[3] };
  }

  #read<Row extends (string | number | null)[]>(sql: string, ...values: (string | number | null)[]): Row[] {
    try {
      return this.#statements.all<Row>(sql, ...values);
    } catch (error) {
      throw toStoreError(error);
    }
  }
}

type UserColumns = [key: UserKey, id: string | null, email: string | null, name: string | null];

const toUser = ([key, id, email, name]: UserColumns): User => ({ key, id, email, name });

const toReader = ([user, subscription, endpoint, read]: ReaderRow): PushReader => {
  return { user, subscription, endpoint, read };
};
