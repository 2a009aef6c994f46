import * as v from "valibot";

import { accesses, MAX_SLOW_MODE_S, postings, type Role, roles } from "../chat/model.ts";
import { ROOM_ID_PATTERN, ROOM_ID_RULE } from "../chat/validation.ts";
import { annotate } from "./annotate.ts";
import { booleanParameter, CURSOR, limitParameter } from "./parameters.ts";

/** Bodies and queries of the HTTP API about rooms and members. Unknown keys of a body are ignored. The domain checks the values. */

const roomName = annotate(v.string(), {
  description:
    "A name of 1 to 200 UTF-16 units. It is stored trimmed and in Unicode NFC. Control and invisible characters are refused, " +
    "except for those that emoji and some scripts are written with.",
  minLength: 1,
  examples: ["General"],
});
const slowMode = annotate(
  v.custom<number>(
    (input) => typeof input === "number" && Number.isInteger(input) && input >= 0 && input <= MAX_SLOW_MODE_S,
    `must be a whole number of seconds, from 0 to ${MAX_SLOW_MODE_S}`,
  ),
  {
    description: "Seconds between two messages of one member. 0 is off.",
    type: "integer",
    minimum: 0,
    maximum: MAX_SLOW_MODE_S,
  },
);
const roomOptions = {
  access: v.optional(annotate(v.picklist(accesses), "`open`: any signed-in user may join.")),
  posting: v.optional(
    annotate(v.picklist(postings), "`moderators`: only moderators and owners may send messages."),
  ),
  slow_mode: v.optional(slowMode),
};
export const newRoomSchema = annotate(
  v.object({
    id: v.optional(
      annotate(v.string(), {
        description: `${ROOM_ID_RULE} Without it the room gets an id that cannot be guessed.`,
        pattern: ROOM_ID_PATTERN,
      }),
    ),
    name: roomName,
    ...roomOptions,
  }),
  { title: "NewRoom", description: "A room to create.", examples: [{ id: "general", name: "General" }] },
);
export type NewRoom = v.InferInput<typeof newRoomSchema>;
/** For `PUT`: the room's id is in the URL. */
export const ensuredRoomSchema = annotate(v.object({ name: roomName, ...roomOptions }), {
  title: "EnsuredRoom",
  description: "A room to create, unless there is one.",
  examples: [{ name: "Announcements", posting: "moderators" }],
});
export type EnsuredRoom = v.InferInput<typeof ensuredRoomSchema>;
export const roomChangeSchema = annotate(
  v.pipe(
    v.object({ name: v.optional(roomName), ...roomOptions }),
    v.check(
      (changes) => Object.values(changes).some((each) => each !== undefined),
      "needs name, access, posting or slow_mode",
    ),
  ),
  {
    title: "RoomChange",
    description: "What to change of a room: at least one of these.",
    minProperties: 1,
    examples: [{ name: "The lobby" }, { access: "open", slow_mode: 10 }],
  },
);
export type RoomChange = v.InferInput<typeof roomChangeSchema>;
export const grantSchema = annotate(
  v.object({
    role: v.optional(
      annotate(v.picklist(roles), "Without it, a member keeps their role, and a new one becomes a `member`."),
    ),
  }),
  { title: "Grant", description: "What a member may do.", examples: [{ role: "moderator" }] },
);
/** Members that are added at once. */
export const MAX_BULK_MEMBERS = 1000;
export const bulkGrantSchema = annotate(
  v.object({
    members: v.pipe(
      v.array(
        v.object({
          who: annotate(
            v.string(),
            "An email address or a user id; `sub:` in front marks an id that contains an @.",
          ),
          role: v.optional(annotate(v.picklist(roles), "As for one member.")),
        }),
      ),
      v.minLength(1, "must have at least one member"),
      v.maxLength(MAX_BULK_MEMBERS, `must have at most ${MAX_BULK_MEMBERS} members`),
    ),
  }),
  {
    title: "Grants",
    description: "Members to add, or to give another role.",
    examples: [{ members: [{ who: "alice@example.com" }, { who: "auth0|bob", role: "moderator" }] }],
  },
);
export type Grants = v.InferInput<typeof bulkGrantSchema>;
export const ownNameSchema = annotate(
  v.object({ name: annotate(v.string(), "A name of 1 to 255 UTF-16 units, without invisible characters.") }),
  {
    title: "OwnName",
    description: "The name that a user is shown with.",
    examples: [{ name: "Build server" }],
  },
);

/**
 * A place in a list of rooms: the time of the last activity, and the room's id. With `all` and `open`, rooms are listed by id alone, and
 * the time is 0.
 */
export const roomRangeSchema = v.strictObject({
  all: v.optional(booleanParameter("Whether to list every room, by id. For administrators.")),
  open: v.optional(booleanParameter("Whether to list the open rooms, by id, which the user may join.")),
  cursor: v.optional(
    v.pipe(
      annotate(v.string(), CURSOR),
      v.regex(/^\d{1,15}-./, "must be the `next` of a page"),
      v.transform((cursor) => {
        const [at = ""] = cursor.split("-");
        return { at: Number(at), id: cursor.slice(at.length + 1) };
      }),
    ),
  ),
  limit: limitParameter(1000, 100),
});

/** A place in the list of members: a role, and the store's key of a user. */
export const memberRangeSchema = v.strictObject({
  cursor: v.optional(
    v.pipe(
      annotate(v.string(), CURSOR),
      v.regex(new RegExp(`^(${roles.join("|")})-\\d{1,15}$`), "must be the `next` of a page"),
      v.transform((cursor) => {
        const [role, user] = cursor.split("-");
        return { role: role as Role, user: Number(user) };
      }),
    ),
  ),
  limit: limitParameter(1000, 100),
});

export function formatMemberCursor({ role, user }: { role: Role; user: number }): string {
  return `${role}-${user}`;
}

export function formatRoomCursor({ at, id }: { at: number; id: string }): string {
  return `${at}-${id}`;
}
