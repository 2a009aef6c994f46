import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

import { users } from "./schema.ts";

/** Where the browsers of users receive web push (RFC 8030). */
export const pushSubscriptions = sqliteTable(
  "push_subscriptions",
  {
    pk: integer().primaryKey(),
    user: integer("user_pk")
      .notNull()
      .references(() => users.pk),
    /** A secret URL of the push service. */
    endpoint: text().notNull().unique(),
    /** The browser's public key, base64url. */
    p256dh: text().notNull(),
    /** The browser's authentication secret, base64url. */
    auth: text().notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (table) => [index("push_subscriptions_user").on(table.user, table.pk)],
);
