import { nameKey } from "../../chat/mentions.ts";
import type { UserKey } from "../../chat/model.ts";
import type { ImportContext } from "./import-context.ts";
import type { Users } from "./users.ts";

const PAGE_SIZE = 1000;

type UserRow = [
  pk: number,
  sub: string | null,
  email: string | null,
  name: string | null,
  shownEmail: string | null,
  emails: string | null,
  signedIn: number,
];

/**
 * Finds or creates the users whom records name. First those with an id: an email means the present owner of the address, who may
 * be one of them.
 */
export async function importUsers(context: ImportContext, users: Pick<Users, "find">): Promise<void> {
  for (const condition of ["sub IS NOT NULL", "sub IS NULL"]) {
    for (let after = 0; ;) {
      const rows = context.statements.all<UserRow>(
        `SELECT pk, sub, email, name, shown_email, emails, signed_in FROM staging.users
          WHERE pk > ? AND ${condition} ORDER BY pk LIMIT ${PAGE_SIZE}`,
        after,
      );
      for (const row of rows) importUser(context, users, row);
      await context.pause(0);
      if (rows.length < PAGE_SIZE) break;
      after = rows.at(-1)?.[0] ?? after;
    }
  }
}

function importUser({ statements, counts }: ImportContext, users: Pick<Users, "find">, row: UserRow): void {
  const [pk, sub, email, name, shownEmail, emails, signedIn] = row;
  const known = users.find(sub === null ? { email: email ?? "" } : { sub });
  const comparedName = name === null ? null : nameKey(name);
  const shown = sub === null ? email : shownEmail;
  const key = known?.key ?? create();
  if (known) {
    // Users who have signed in are shown with the address that they presented, verified, or with none.
    statements.run(
      `UPDATE main.users SET name = coalesce(name, ?), name_key = coalesce(name_key, ?), email = CASE signed_in WHEN 0 THEN coalesce(email, ?) ELSE email END,
        signed_in = max(signed_in, ?) WHERE pk = ?`,
      name,
      comparedName,
      shown,
      signedIn,
      key,
    );
  }
  const owned = emails === null ? [] : (JSON.parse(emails) as string[]);
  if (sub === null && email !== null) owned.push(email);
  // An address that has an owner here stays with them.
  for (const each of owned)
    statements.run("INSERT OR IGNORE INTO main.emails (email, user_pk) VALUES (?, ?)", each, key);
  statements.run("UPDATE staging.users SET user_pk = ? WHERE pk = ?", key, pk);
  counts.users[known ? "known" : "added"]++;

  function create(): UserKey {
    const [created] =
      statements.all<[UserKey]>(
        "INSERT INTO main.users (sub, email, name, name_key, signed_in) VALUES (?, ?, ?, ?, ?) RETURNING pk",
        sub,
        shown,
        name,
        comparedName,
        signedIn,
      )[0] ?? [];
    return created as UserKey;
  }
}
