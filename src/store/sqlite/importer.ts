import { type ApplyOptions, type Count, type ImportResult, type Kind, kinds } from "../../chat/archive.ts";
import type { Position, RoomKey, UserKey } from "../../chat/model.ts";
import type { ImportContext, ImportedRoom } from "./import-context.ts";
import { importDirect } from "./import-direct.ts";
import { ForeignMessages } from "./import-foreign.ts";
import { NumberedMessages } from "./import-numbered.ts";
import { importRestrictions } from "./import-restrictions.ts";
import { importUsers } from "./import-users.ts";
import type { Db } from "./open.ts";
import { prepareQueries } from "./queries.ts";
import { Statements } from "./statements.ts";
import { Users } from "./users.ts";
import { beginImmediate } from "./writer.ts";

/** Pages of the file that stay in memory while an import is applied. More than usual: the transaction changes many. */
const CACHE_KIB = 98_304;
/** How often the event loop gets a turn. */
const TURN_MS = 50;

/** Administrators read rooms without being members. The mark of a user who has never signed in goes with their membership. */
const MAY_HAVE_READ =
  "u.signed_in = 1 OR EXISTS (SELECT 1 FROM main.members m WHERE m.room_pk = ?1 AND m.user_pk = u.pk)";

/** A room that records name. `name` and what follows are null when the file does not describe it. */
type RoomRow = [
  pk: number,
  id: string,
  at: string,
  name: string | null,
  createdAt: number | null,
  createdBy: UserKey | null,
  seq: number | null,
  rev: number | null,
  access: string | null,
  posting: string | null,
  slowMode: number | null,
  directOne: UserKey | null,
  directOther: UserKey | null,
];

/** Applies the records of the temporary tables in one transaction. */
export class Importer {
  readonly #context: ImportContext;
  readonly #statements: Statements;
  #errors = 0;
  #done = 0;
  #total = 0;
  #lastTurn = performance.now();

  constructor(
    private readonly db: Db,
    private readonly options: ApplyOptions,
  ) {
    this.#statements = new Statements(db.$client);
    this.#context = {
      statements: this.#statements,
      counts: Object.fromEntries(kinds.map((kind) => [kind, { added: 0, known: 0 }])) as Record<Kind, Count>,
      refuse: (at, reason) => {
        this.#errors++;
        options.invalid(at, reason);
      },
      skipped: options.skipped,
      pause: (messages) => this.#pause(messages),
    };
  }

  async run(): Promise<ImportResult> {
    const { $client } = this.db;
    using statements = this.#statements;
    this.#total = statements.all<[number]>("SELECT count(*) FROM staging.messages")[0]?.[0] ?? 0;
    $client.run(`PRAGMA main.cache_size = -${CACHE_KIB}`);
    await beginImmediate($client);
    try {
      await this.#apply();
      this.options.signal.throwIfAborted();
      const { dryRun, skipInvalid } = this.options;
      if (!dryRun && (this.#errors === 0 || skipInvalid)) $client.run("COMMIT");
    } finally {
      // A full disk may have ended it.
      if ($client.inTransaction) $client.run("ROLLBACK");
    }
    return this.#context.counts;
  }

  async #apply(): Promise<void> {
    await importUsers(this.#context, new Users(this.db, prepareQueries(this.db), Date.now));
    for (let after = 0; ;) {
      const [row] = this.#statements.all<RoomRow>(
        `SELECT r.pk, r.id, r.at, r.name, r.created_at, u.user_pk, r.seq, r.rev, r.access, r.posting, r.slow_mode,
            (SELECT user_pk FROM staging.users WHERE pk = r.direct_one), (SELECT user_pk FROM staging.users WHERE pk = r.direct_other)
          FROM staging.rooms r
          LEFT JOIN staging.users u ON u.pk = r.created_by WHERE r.pk > ? ORDER BY r.pk LIMIT 1`,
        after,
      );
      if (!row) return;
      await this.#applyRoom(row);
      after = row[0];
    }
  }

  async #applyRoom(row: RoomRow): Promise<void> {
    const [pk, id, at, name, createdAt, createdBy, seq, rev, access, posting, slowMode, ...direct] = row;
    const { counts, refuse } = this.#context;
    const known = this.#statements.all<[RoomKey, number, number]>(
      "SELECT pk, seq, rev FROM main.rooms WHERE id = ? AND deleted_at IS NULL",
      id,
    )[0];
    if (!known && name === null)
      return refuse(at, `There is no room ${id}, neither in the file nor in the chat.`);
    const before = copyOf(counts);
    this.#statements.run("SAVEPOINT room");
    const key = known?.[0] ?? this.#createRoom([id, name, createdAt, createdBy, access, posting, slowMode]);
    if (name !== null) counts.rooms[known ? "known" : "added"]++;
    const here = known ? { seq: known[1], rev: known[2] } : { seq: 0, rev: 0 };
    const room: ImportedRoom = { pk, id, at, key, known: known !== undefined, here };
    const file = seq === null || rev === null ? undefined : { seq, rev };
    const messages = file
      ? new NumberedMessages(this.#context, room, file)
      : new ForeignMessages(this.#context, room);
    importDirect(this.#context, room, direct);
    this.#addMembers(room);
    importRestrictions(this.#context, room);
    const head = await messages.apply();
    if (head) {
      this.#statements.run("UPDATE main.rooms SET seq = ?, rev = ? WHERE pk = ?", head.seq, head.rev, key);
      this.#setReadMarks(room, head);
    } else {
      // Messages without their neighbours would make no sense: the whole room is left out.
      this.#statements.run("ROLLBACK TO room");
      Object.assign(counts, before);
    }
    this.#statements.run("RELEASE room");
  }

  #createRoom(values: (string | number | null)[]): RoomKey {
    const [key] =
      this.#statements.all<[RoomKey]>(
        "INSERT INTO main.rooms (id, name, created_at, created_by, access, posting, slow_mode) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING pk",
        ...values,
      )[0] ?? [];
    return key as RoomKey;
  }

  /** Adds members who are not there yet. Their read marks are -1 until `#setReadMarks`. */
  #addMembers({ pk, key }: ImportedRoom): void {
    const count = this.#context.counts.members;
    const [listed] = this.#statements.all<[number]>(
      "SELECT count(*) FROM staging.members WHERE room = ?",
      pk,
    )[0] ?? [0];
    if (listed === 0) return;
    const members = "FROM staging.members m JOIN staging.users u ON u.pk = m.user WHERE m.room = ? + 0";
    // Who is banned here stays out.
    const banned = this.#removeBanned(pk, key);
    // It replaces a mark that may be left from when the user read the room as an administrator.
    this.#statements.run(
      `INSERT OR REPLACE INTO main.reads (room_pk, user_pk, seq) SELECT ?, u.user_pk, -1 ${members}
        AND NOT EXISTS (SELECT 1 FROM main.members x WHERE x.room_pk = ? AND x.user_pk = u.user_pk)`,
      key,
      pk,
      key,
    );
    const added = this.#statements.run(
      `INSERT OR IGNORE INTO main.members (room_pk, user_pk, role, joined_at) SELECT ?, u.user_pk, m.role, m.joined_at ${members}`,
      key,
      pk,
    );
    count.added += added;
    count.known += listed - banned - added;
  }

  #removeBanned(pk: number, key: RoomKey): number {
    const banned = this.#statements.run(
      `DELETE FROM staging.members WHERE room = ?1 + 0 AND user IN (SELECT m.user FROM staging.members m
        JOIN staging.users u ON u.pk = m.user
        JOIN main.restrictions r ON r.room_pk = ?2 + 0 AND r.kind = 'ban' AND r.user_pk = u.user_pk
        WHERE m.room = ?1 + 0 AND (r.until IS NULL OR r.until > ?3))`,
      pk,
      key,
      Date.now(),
    );
    for (let left = banned; left > 0; left--) this.#context.skipped("members who are banned");
    return banned;
  }

  /** Marks only move forward. New members without a mark in the file have read everything. */
  #setReadMarks({ pk, id, key }: ImportedRoom, { seq }: Position): void {
    const count = this.#context.counts["read marks"];
    const beyond = this.#statements.all<[at: string]>(
      "SELECT at FROM staging.reads WHERE room = ? AND seq > ?",
      pk,
      seq,
    );
    for (const [at] of beyond)
      this.#context.refuse(at, `The read mark is beyond the newest message of ${id}, ${seq}.`);
    const [listed = 0, strangers = 0] =
      this.#statements.all<[number, number]>(
        `SELECT count(*), coalesce(sum(NOT (${MAY_HAVE_READ})), 0) FROM staging.reads r JOIN staging.users s ON s.pk = r.user
          JOIN main.users u ON u.pk = s.user_pk WHERE r.room = ?2 + 0 AND r.seq <= ?3`,
        key,
        pk,
        seq,
      )[0] ?? [];
    for (let left = strangers; left > 0; left--)
      this.#context.skipped("read marks of users who are neither members nor have signed in");
    const added =
      listed === strangers
        ? 0
        : this.#statements.run(
            `INSERT INTO main.reads (room_pk, user_pk, seq) SELECT ?1, u.pk, r.seq FROM staging.reads r
              JOIN staging.users s ON s.pk = r.user JOIN main.users u ON u.pk = s.user_pk
              WHERE r.room = ?2 + 0 AND r.seq <= ?3 AND (${MAY_HAVE_READ})
              ON CONFLICT DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq`,
            key,
            pk,
            seq,
          );
    count.added += added;
    count.known += listed - strangers - added;
    this.#statements.run("UPDATE main.reads SET seq = ? WHERE room_pk = ? AND seq = -1", seq, key);
  }

  async #pause(messages: number): Promise<void> {
    this.#done += messages;
    const now = performance.now();
    if (now - this.#lastTurn < TURN_MS) return;
    this.options.progress(this.#done, this.#total);
    await new Promise((resolve) => setImmediate(resolve));
    this.options.signal.throwIfAborted();
    this.#lastTurn = performance.now();
  }
}

function copyOf(counts: ImportResult): ImportResult {
  return Object.fromEntries(kinds.map((kind) => [kind, { ...counts[kind] }])) as ImportResult;
}
