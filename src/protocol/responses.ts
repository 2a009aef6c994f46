import * as v from "valibot";

import { annotate } from "./annotate.ts";
import {
  memberSchema,
  messageSchema,
  readSchema,
  roomSchema,
  roomSummarySchema,
  userSchema,
} from "./bodies.ts";
import { codeSchema } from "./frames.ts";
import { auditSchema, restrictionSchema } from "./moderation-bodies.ts";
import { integer, roomId, seqOf, time } from "./values.ts";

/** Responses of the HTTP API that are more than one thing of bodies.ts. */

/** One page of a list. `next` is null at its end. */
const pageOf = <K extends string, T extends v.GenericSchema>(title: string, key: K, item: T) =>
  annotate(
    v.object({
      ...({ [key]: v.array(item) } as Record<K, v.ArraySchema<T, undefined>>),
      next: annotate(v.nullable(v.string()), "The `cursor` of the next page. Null at the end."),
    }),
    { title, description: "One page of a list." },
  );

export const meSchema = annotate(
  v.object({
    ...userSchema.entries,
    admin: annotate(v.boolean(), "Whether the token has `chat:admin`: its bearer may act in every room."),
  }),
  { title: "Me", description: "The user of the token." },
);
export type MeBody = v.InferOutput<typeof meSchema>;
export const roomPageSchema = pageOf("RoomPage", "rooms", roomSummarySchema);
export const messagePageSchema = pageOf("MessagePage", "messages", messageSchema);
/** With `all` and `open`, rooms are not listed with what the user has read of them. */
export const roomListSchema = v.union([roomPageSchema, pageOf("AllRoomsPage", "rooms", roomSchema)]);
export const banPageSchema = pageOf("BanPage", "bans", restrictionSchema);
export const mutePageSchema = pageOf("MutePage", "mutes", restrictionSchema);
export const auditPageSchema = pageOf("AuditPage", "entries", auditSchema);
export const memberPageSchema = pageOf("MemberPage", "members", memberSchema);
export const grantedSchema = annotate(
  v.object({
    added: integer("Users who have become members."),
    changed: integer("Members who have another role than before."),
  }),
  { title: "Granted", description: "What became of a list of members." },
);
export type GrantedBody = v.InferOutput<typeof grantedSchema>;
export const changesSchema = annotate(
  v.object({
    rev: integer("The `rev` that is reached with these messages: the next `since`."),
    messages: annotate(v.array(messageSchema), "Each message as it is now, in the order of `rev`."),
    more: annotate(v.boolean(), "Whether there is more after this `rev`, also when there are no messages."),
  }),
  { title: "Changes", description: "What changed in a room after a `rev`." },
);
export type ChangesBody = v.InferOutput<typeof changesSchema>;
export const readMarksSchema = annotate(v.object({ reads: v.array(readSchema) }), {
  title: "ReadMarks",
  description: "The read marks of a room's members. In a room of more than 100 members only the user's own.",
});
export const resultSchema = annotate(
  v.object({
    room: roomId,
    message: messageSchema,
    snippet: annotate(
      v.object({
        text: annotate(
          v.string(),
          "Up to 200 UTF-16 units of the text, around the first hit. `…` where it was cut.",
        ),
        hits: annotate(
          v.array(annotate(v.array(integer("A place in the text.")), { minItems: 2, maxItems: 2 })),
          "Places in the snippet's text, from and up to (exclusive), in UTF-16 units.",
        ),
      }),
      "Where the message has what was searched for.",
    ),
  }),
  { title: "SearchResult", description: "A message that was found." },
);
export type SearchResultBody = v.InferOutput<typeof resultSchema>;
export const resultPageSchema = pageOf("SearchPage", "results", resultSchema);

export const problemSchema = annotate(
  v.object({
    type: v.literal("about:blank"),
    title: annotate(v.string(), "The name of the status."),
    status: annotate(v.number(), { type: "integer", description: "The HTTP status." }),
    code: codeSchema,
    detail: annotate(v.string(), "The reason in a sentence, for developers."),
    seq: v.exactOptional(seqOf("With `conflict`: the message that already has the `client_id`.")),
    until: v.exactOptional(
      time("With `forbidden`, for a muted user: when the mute ends. Absent when it has no end."),
    ),
    users: v.exactOptional(
      annotate(v.array(v.string()), "With `conflict`: ids of the members who share the email address."),
    ),
    index: v.exactOptional(integer("Of several members to add: which one was refused, from 0.")),
  }),
  {
    title: "Problem",
    description: "Why a request was refused (RFC 9457). Programs compare `code`.",
    examples: [
      {
        type: "about:blank",
        title: "Not Found",
        status: 404,
        code: "room_not_found",
        detail: "There is no such room, or you are not a member of it.",
      },
    ],
  },
);
export const healthSchema = annotate(v.object({ status: v.literal("ok") }), {
  title: "Health",
  description: "The server answers.",
});
export const readinessSchema = annotate(
  v.object({
    status: annotate(v.picklist(["ready", "not ready"]), "Whether the server is ready."),
    reason: v.exactOptional(annotate(v.string(), "What the server waits for. Absent when it is ready.")),
  }),
  { title: "Readiness", description: "Whether the server is ready for traffic." },
);

/** A document that describes the server. */
export const documentSchema = annotate(v.record(v.string(), v.unknown()), { propertyNames: undefined });

const issuerSchema = annotate(v.string(), "The issuer of the tokens.");
const pushKeySchema = annotate(
  v.nullable(v.string()),
  "The `applicationServerKey` with which a browser subscribes to web push (base64url). Null when web push is off.",
);
const url = (text: string) => annotate(v.string(), text);
/** A server on whose page users can sign in. */
export const signInConfigSchema = annotate(
  v.object({
    issuer: issuerSchema,
    client_id: annotate(v.string(), "The page's id at the issuer."),
    scope: annotate(v.string(), "Scopes to ask for, with spaces between them."),
    audience: annotate(v.nullable(v.string()), "The `audience` to ask for."),
    authorization_endpoint: url("Where users sign in."),
    token_endpoint: url("Where a code, or a refresh token, becomes an access token."),
    end_session_endpoint: annotate(
      v.nullable(v.string()),
      "Where users sign out. Null if the issuer has none.",
    ),
    id_token_signing_alg_values_supported: annotate(v.array(v.string()), "Algorithms of ID tokens."),
    dev: annotate(v.boolean(), "Whether this is `parley dev`, where anybody may sign in as anybody."),
    push_key: pushKeySchema,
  }),
  { title: "SignInConfig", description: "How the page of this server signs users in." },
);
export type SignInConfig = v.InferOutput<typeof signInConfigSchema>;
export const pageConfigSchema = v.union([
  signInConfigSchema,
  annotate(
    v.object({
      issuer: issuerSchema,
      client_id: annotate(v.null(), "There is none."),
      push_key: pushKeySchema,
    }),
    {
      title: "NoSignInConfig",
      description: "Nobody can sign in on the page of this server: PARLEY_CLIENT_ID is not set.",
    },
  ),
]);
export type PageConfig = v.InferOutput<typeof pageConfigSchema>;
