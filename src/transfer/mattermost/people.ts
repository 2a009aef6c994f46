import type { Invitee } from "../../chat/model.ts";
import type { UserRecord } from "../../chat/transfer.ts";
import { foreignUser } from "../foreign-user.ts";
import { userName, verifiableEmail } from "../names.ts";
import type { UserData } from "./schemas.ts";

interface Person {
  user: Invitee;
  name: string | null;
  /** Whether somebody can sign in as the user: neither a bot nor deactivated. */
  active: boolean;
}

/** The users of an export, by their user names. */
export class People {
  readonly #people = new Map<string, Person>();

  addUser({ username, email, nickname, first_name, last_name, delete_at = 0 }: UserData): UserRecord {
    const address = verifiableEmail(email);
    const user = address === undefined ? mattermostUser(username) : { email: address };
    const name = userName([first_name, last_name].filter(Boolean).join(" "), nickname, username);
    return this.#add(username, { user, name, active: delete_at === 0 });
  }

  /** Bots, and the names under which webhooks write, have no address. Undefined for one that is known. */
  addBot(username: string, displayName: string | undefined): UserRecord | undefined {
    if (this.#people.has(username)) return undefined;
    return this.#add(username, {
      user: mattermostUser(username),
      name: userName(displayName, username),
      active: false,
    });
  }

  #add(username: string, person: Person): UserRecord {
    this.#people.set(username, person);
    const { user, name } = person;
    return foreignUser(user, name);
  }

  user(username: string): Invitee {
    return this.#people.get(username)?.user ?? mattermostUser(username);
  }

  name(username: string): string {
    return this.#people.get(username)?.name ?? username;
  }

  isActive(username: string): boolean {
    return this.#people.get(username)?.active === true;
  }
}

const mattermostUser = (username: string): Invitee => ({ sub: `mattermost:${username}` });
