import type { Bus } from "./bus.ts";
import { completeWrite } from "./complete-write.ts";
import { ChatError, refusalError, StoreError } from "./errors.ts";
import type { Actor, Identity, Profile, RoomKey, User } from "./model.ts";
import type { Store } from "./store.ts";
import { parseUserName } from "./validation.ts";

export interface SignInOptions {
  store: Pick<Store, "signIn" | "setName">;
  bus: Bus;
  /** Called when a ban has ended a membership of the user. */
  removed: (room: RoomKey, user: User) => void;
  /** Called when a write failed. */
  writeFailed: () => void;
}

/** Turns the identities of verified tokens into users. */
export class SignIn {
  /** Users by identity object. The verifier caches these objects, so each token costs one look-up. */
  #actors = new WeakMap<Profile, Actor>();

  constructor(private readonly options: SignInOptions) {}

  /** Returns the user of a verified token, created if new. Rejects with `StoreError`. */
  async signIn(identity: Profile & Pick<Identity, "admin">): Promise<Actor> {
    const known = this.#actors.get(identity);
    if (known) return known;
    const { store, bus, writeFailed, removed } = this.options;
    try {
      const { removedFrom = [], ...user } = await store.signIn(identity);
      const actor = { ...user, admin: identity.admin };
      for (const room of removedFrom) removed(room, actor);
      // A verified email may have brought memberships, of which the user's other sessions do not know.
      if (identity.email !== undefined) bus.publish({ kind: "rooms_changed", user: actor.key });
      // A new name that could not be stored is tried again next time.
      if (identity.name === undefined || identity.name === actor.name) this.#actors.set(identity, actor);
      return actor;
    } catch (error) {
      if (error instanceof StoreError) writeFailed();
      throw error;
    }
  }

  /**
   * Gives an administrator whose token has no name one that they are shown with from their next request or connection on.
   * Rejects with `forbidden`, `conflict` if the token has a name, or `invalid_command`.
   */
  async setName(identity: Profile & Pick<Identity, "admin">, text: string): Promise<Actor> {
    const actor = await this.signIn(identity);
    if (!actor.admin) throw refusalError({ refused: "not_administrator" });
    if (identity.name !== undefined) throw new ChatError("conflict", "Your token has a name, which is used.");
    const name = parseUserName(text);
    const { store, writeFailed } = this.options;
    await completeWrite(store.setName(actor.key, name), writeFailed);
    // The user may have other tokens. All users are looked up again, once.
    this.#actors = new WeakMap();
    return { ...actor, name };
  }
}
