import type { Invitee } from "../../chat/model.ts";
import { isEmail, isUserId, isVisible, normalizeEmail } from "../../chat/validation.ts";
import { type DumpRecord, isScalar, type Json, type Key, placeOf } from "./dump.ts";
import { PRIMARY_KEY } from "./map-fields.ts";
import type { ProfileMapping, UserMapping } from "./mapping.ts";

/** A user of the old application. */
export interface Person {
  at: string;
  user: Invitee;
  name: string | null;
  email: string | null;
  /** False for an account that was disabled. */
  active: boolean;
  /** Why the user is imported without their email or sub, if that is an error. */
  problem: string | null;
  /** Whether the user has an email or a sub, and can sign in. */
  identified: boolean;
  /** Whether the user takes part in the chat: others of the application are not imported. */
  used: boolean;
}

/** The users of a dump, by primary key and by natural key. */
export class People {
  readonly #mapping: UserMapping;
  readonly #all: Person[] = [];
  readonly #byKey = new Map<Key, Person>();
  readonly #byUsername = new Map<string, Person>();
  /** Null for an email that several users have. */
  readonly #byEmail = new Map<string, Person | null>();
  /** What profiles name as their users, by the profiles' primary keys. Null: there are no profiles. */
  readonly #profiles: Map<Key, Json> | null;
  readonly #byIdentity = new Map<string, Person>();
  /** The sender of messages whose user was deleted. */
  readonly deleted: Person = {
    at: "messages without a sender",
    user: { sub: "django:deleted" },
    name: "Deleted user",
    email: null,
    active: false,
    problem: null,
    identified: true,
    used: false,
  };

  constructor(mapping: UserMapping, profiles: ProfileMapping | null) {
    this.#mapping = mapping;
    this.#profiles = profiles && new Map();
  }

  /** Adds a profile. Rooms and messages then point to profiles. */
  addProfile({ pk, fields }: DumpRecord, { user }: ProfileMapping): void {
    if (pk !== null) this.#profiles?.set(pk, fields[user] ?? null);
  }

  add(record: DumpRecord): void {
    const person = this.#read(record);
    this.#all.push(person);
    const { username, email } = this.#mapping;
    if (record.pk !== null) this.#byKey.set(record.pk, person);
    const name = username === null ? null : record.fields[username];
    if (isFilled(name)) this.#byUsername.set(naturalKey([name]), person);
    const address = email === null ? null : record.fields[email];
    if (!isFilled(address)) return;
    const key = naturalKey([address]);
    this.#byEmail.set(key, this.#byEmail.has(key) ? null : person);
  }

  /** The user whom a field names: by primary key, by natural key, or by username. */
  find(reference: Json): Person | undefined {
    if (!this.#profiles) return this.#findUser(reference);
    return isScalar(reference) ? this.#findUser(this.#profiles.get(reference) ?? null) : undefined;
  }

  #findUser(reference: Json): Person | undefined {
    if (Array.isArray(reference)) return this.#findByName(naturalKey(reference));
    if (!isScalar(reference)) return undefined;
    return this.#byKey.get(reference) ?? this.#findByName(naturalKey([reference]));
  }

  /** Whether a value is the primary key of a user, or of a profile. */
  hasKey(value: Json): boolean {
    return isScalar(value) && (this.#profiles ?? this.#byKey).has(value);
  }

  /** The natural key is the username, or the email. One user's email as the username of another is ambiguous. */
  #findByName(key: string): Person | undefined {
    const [byUsername, byEmail] = [this.#byUsername.get(key), this.#byEmail.get(key)];
    if (byUsername && byEmail && byUsername !== byEmail) return undefined;
    return byUsername ?? byEmail ?? undefined;
  }

  /** The users who take part in the chat. */
  *used(): Generator<Person> {
    if (this.deleted.used) yield this.deleted;
    for (const person of this.#all) if (person.used) yield person;
  }

  #read(record: DumpRecord): Person {
    const { fields } = record;
    const { email: emailField, sub: subField, username: usernameField, active } = this.#mapping;
    const text = (field: string | null) => (field === null ? "" : textOf(fields[field]));
    const username = text(usernameField);
    const address = normalizeEmail(text(emailField));
    const email = isEmail(address) ? address : null;
    const sub = subField === PRIMARY_KEY ? textOf(record.pk) : text(subField);
    const person: Person = {
      at: placeOf(record),
      user: { sub: `django:${record.pk ?? username}` },
      name: this.#nameOf(record, username),
      email: null,
      active: active === null || fields[active] !== false,
      problem: null,
      identified: false,
      used: false,
    };
    if (sub !== "" && !isUserId(sub)) person.problem = "the sub is no user id";
    else if (sub !== "") this.#identify(person, { sub }, `sub:${sub}`, email);
    else if (email !== null) this.#identify(person, { email }, email, email);
    else if (address !== "") person.problem = `the email ${JSON.stringify(address)} is no email address`;
    return person;
  }

  /** Two accounts are not merged into one user: either could have been made by somebody else with that address. */
  #identify(person: Person, user: Invitee, identity: string, email: string | null): void {
    const other = this.#byIdentity.get(identity);
    if (other) {
      person.problem = `has the same ${"sub" in user ? "sub" : "email"} as ${other.at}`;
      return;
    }
    this.#byIdentity.set(identity, person);
    Object.assign(person, { user, email, identified: true });
  }

  #nameOf({ fields }: DumpRecord, username: string): string | null {
    const { firstName, lastName, name } = this.#mapping;
    const text = (field: string | null) => (field === null ? "" : textOf(fields[field]));
    const full = `${text(firstName)} ${text(lastName)}`.trim() || text(name);
    if (isVisible(full)) return full;
    // Where a user has no name, Parley shows their email.
    return isVisible(username) && !username.includes("@") ? username : null;
  }
}

/** The key by which records of `--natural-foreign` name others. */
export function naturalKey(values: readonly Json[]): string {
  return JSON.stringify(values);
}

export function isFilled(value: Json | undefined): value is string | number {
  return isScalar(value) && value !== "";
}

export function textOf(value: Json | undefined): string {
  return isScalar(value) ? String(value).trim() : "";
}
