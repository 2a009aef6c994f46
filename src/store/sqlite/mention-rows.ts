import type { Database } from "bun:sqlite";

import { nameKey } from "../../chat/mentions.ts";
import type { UserKey } from "../../chat/model.ts";
import { Statements } from "./statements.ts";

/** Mentions of one user that get the id of their first sign-in. No client counts more of them. */
const MAX_CLAIMED = 1000;
/** Names whose form is stored in one transaction. */
const PAGE_SIZE = 10_000;

/** What is stored of mentions of a user whose record changes. Methods must be called within a transaction. */
export class MentionRows {
  readonly #statements: Statements;

  constructor(client: Database) {
    this.#statements = new Statements(client);
  }

  /** A user signs in for the first time: the messages that mention them get their id. */
  claim(user: UserKey, id: string): void {
    const newest = `SELECT room_pk, seq FROM mentions WHERE user_pk = ? ORDER BY seq DESC LIMIT ${MAX_CLAIMED}`;
    this.#statements.run(
      `DELETE FROM mentions WHERE user_pk = ? AND (room_pk, seq) NOT IN (${newest})`,
      user,
      user,
    );
    this.#statements.run(
      `UPDATE messages SET mentions = json_insert(mentions, '$.users[#]', ?)
        WHERE (room_pk, seq) IN (${newest}) AND ? NOT IN (SELECT value FROM json_each(mentions, '$.users'))`,
      id,
      user,
      id,
    );
  }

  /** Moves mentions to the user who has signed in, but not in rooms where that one is a member already: there they keep their own. */
  move(from: UserKey, to: UserKey, id: string): void {
    const rooms = "(SELECT room_pk FROM members WHERE user_pk = ?)";
    this.#statements.run(
      `DELETE FROM mentions WHERE user_pk = ? AND (room_pk NOT IN ${rooms} OR room_pk IN ${rooms})`,
      from,
      from,
      to,
    );
    this.claim(from, id);
    // A message may have mentioned both.
    this.#statements.run("UPDATE OR IGNORE mentions SET user_pk = ? WHERE user_pk = ?", to, from);
    this.delete(from);
  }

  delete(user: UserKey): void {
    this.#statements.run("DELETE FROM mentions WHERE user_pk = ?", user);
  }
}

/** Stores the form of the names that have none yet: those of an older version. */
export function fillNameKeys(client: Database): void {
  const missing = client.query<{ pk: UserKey; name: string }, []>(
    `SELECT pk, name FROM users WHERE name IS NOT NULL AND name_key IS NULL LIMIT ${PAGE_SIZE}`,
  );
  const update = client.query<unknown, [string, UserKey]>("UPDATE users SET name_key = ? WHERE pk = ?");
  const fill = client.transaction(() => {
    const rows = missing.all();
    for (const { pk, name } of rows) update.run(nameKey(name), pk);
    return rows.length;
  });
  while (fill.immediate() === PAGE_SIZE);
}
