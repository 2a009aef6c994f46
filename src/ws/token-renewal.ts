import type { Verifier } from "../auth/verifier.ts";
import type { Chat } from "../chat/chat.ts";
import { asChatError, ChatError } from "../chat/errors.ts";
import type { Actor } from "../chat/model.ts";
import type { Connection, OpenRoom } from "./connection.ts";
import type { Connections } from "./connections.ts";

export interface TokenRenewalOptions {
  chat: Chat;
  verifier: Pick<Verifier, "verify" | "trusts">;
  connections: Connections;
}

/** Replaces the tokens of connections by fresh ones of the same user. */
export class TokenRenewal {
  constructor(private readonly options: TokenRenewalOptions) {}

  /** Rejects with a `ChatError`; then the old token stays in use. Tokens are checked one after the other, so the last one wins. */
  renew(connection: Connection, token: string): Promise<void> {
    const renewed = connection.renewal.then(() => this.#renewNow(connection, token));
    connection.renewal = renewed.catch(() => undefined);
    return renewed;
  }

  async #renewNow(connection: Connection, token: string): Promise<void> {
    const { chat, verifier, connections } = this.options;
    const identity = await verifier.verify(token);
    if (identity.sub !== connection.user.id)
      throw new ChatError("forbidden", "This is another user's token.");
    const user = await chat.signIn(identity);
    // An administrator whose new token lacks the scope may only stay as a member.
    if (connection.room) await chat.assertMember(user, connection.room.room.key);
    if (!verifier.trusts(identity.signingKey))
      throw new ChatError("unauthorized", "The token is not valid here.");
    const wasAdmin = connection.user.admin;
    connections.renew(connection, user, identity);
    const open = connection.session?.openRooms() ?? (connection.room ? [connection.room] : []);
    chat.updateUser(
      user,
      open.map(({ room }) => room.key),
    );
    if (wasAdmin && !user.admin) await Promise.all(open.map((room) => this.#assertMember(room, user)));
  }

  /** Closes a room that was open for an administrator who is not a member. */
  async #assertMember(open: OpenRoom, user: Actor): Promise<void> {
    try {
      await this.options.chat.assertMember(user, open.room.key);
    } catch (error) {
      const { code } = asChatError(error);
      if (code === "removed" || code === "room_deleted") open.expel(code);
      else open.connection.close(code);
    }
  }
}
