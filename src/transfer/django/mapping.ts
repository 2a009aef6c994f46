/** Which models and fields of a dump hold what Parley imports. Null: there is no such field. */
export interface Mapping {
  users: UserMapping;
  /** What rooms and messages point to instead of users: each record names one. */
  profiles: ProfileMapping | null;
  rooms: RoomMapping;
  members: MemberMapping | null;
  messages: MessageMapping;
}

export interface UserMapping {
  model: string;
  email: string | null;
  /** A field, or `PRIMARY_KEY`. */
  sub: string | null;
  username: string | null;
  firstName: string | null;
  lastName: string | null;
  name: string | null;
  active: string | null;
}

export interface ProfileMapping {
  model: string;
  user: string;
}

export interface RoomMapping {
  model: string;
  /** Null: the primary key. */
  id: string | null;
  name: string | null;
  createdAt: string | null;
  createdBy: string | null;
  owner: string | null;
  moderators: string | null;
  /** Fields with lists of users, or with one user each. */
  participants: readonly string[];
  naturalKeys: readonly string[];
}

/** A model with a record for each participant of a room. */
export interface MemberMapping {
  model: string;
  room: string;
  user: string;
  role: string | null;
  isOwner: string | null;
  isModerator: string | null;
  status: string | null;
  joinedAt: string | null;
  /** The membership has ended if one of these has a value. */
  endTimes: readonly string[];
  /** The membership has ended if one of these is true. */
  endWhenTrue: readonly string[];
  /** The membership has ended, or has not begun, if one of these is false. */
  endWhenFalse: readonly string[];
}

export interface MessageMapping {
  model: string;
  room: string;
  sender: string;
  text: string;
  time: string;
  editedAt: string | null;
  isEdited: string | null;
  deletedAt: string | null;
  isDeleted: string | null;
  updatedAt: string | null;
  replyTo: string | null;
  /** Whether the times have no time zone. */
  naiveTimes: boolean;
}

/** What the operator says about a dump. Each option names a model or a field. Default: what is recognised. */
export interface MappingOptions {
  roomModel?: string;
  roomId?: string;
  roomName?: string;
  /** Fields of a room, with commas between them. False: rooms have no members. */
  participants?: string | false;
  memberModel?: string;
  memberRoom?: string;
  memberUser?: string;
  /** Those who wrote in a room are members of it. Default: false. */
  addSenders?: boolean;
  messageModel?: string;
  /** The field of a message that points to its room. */
  room?: string;
  sender?: string;
  text?: string;
  time?: string;
  /** The field with the time of a message's last edit, or a boolean field. */
  edited?: string;
  /** The field with the time of a message's deletion, or a boolean field. */
  deleted?: string;
  /** False: messages are no replies. */
  replyTo?: string | false;
  /** What senders and members are: users, or profiles with a field that points to a user. */
  userModel?: string;
  email?: string;
  sub?: string;
  /** The field with the name of a user. */
  name?: string;
}

/** What the mapping says, as lines for the operator. */
export function describeMapping(
  { users, profiles, rooms, members, messages }: Mapping,
  addSenders: boolean,
): string[] {
  const fullName = [users.firstName, users.lastName].filter((field) => field !== null).join(" ");
  const by = [
    users.sub && `sub: ${users.sub}`,
    users.email && `email: ${users.email}`,
    `name: ${fullName || (users.name ?? users.username ?? "none")}`,
  ];
  const participants = [
    ...rooms.participants,
    ...(members ? [`${members.model} (${members.room}, ${members.user})`] : []),
    ...(addSenders ? ["senders of messages"] : []),
  ];
  const optional: [string, string | null][] = [
    ["edited", messages.editedAt ?? messages.isEdited],
    ["deleted", messages.deletedAt ?? messages.isDeleted],
    ["reply", messages.replyTo],
  ];
  const { room, sender, text, time } = messages;
  const more = optional.flatMap(([what, field]) => (field === null ? [] : [`${what}: ${field}`]));
  return [
    `Users     ${profiles ? `${profiles.model} (${profiles.user}) of ` : ""}${users.model} (${by.filter(Boolean).join(", ")})`,
    `Rooms     ${rooms.model} (id: ${rooms.id ?? "pk"}, name: ${rooms.name ?? "of the members"})`,
    `Members   ${participants.join(", ") || "none"}`,
    `Messages  ${messages.model} (${[`room: ${room}`, `sender: ${sender}`, `text: ${text}`, `time: ${time}`, ...more].join(", ")})`,
  ];
}
