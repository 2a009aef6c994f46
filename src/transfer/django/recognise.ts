import { SourceError } from "../source.ts";
import { findRoomReference, mapMembers, mapMessages, mapRooms, mapUsers } from "./map-fields.ts";
import type { Mapping, MappingOptions, MemberMapping, ProfileMapping } from "./mapping.ts";
import { MEMBER_FIELDS, MESSAGE_FIELDS, MODEL_NAMES, PROFILE_USER, USER_FIELDS } from "./names.ts";
import { findField, listFields, type Purpose, REFERENCE } from "./recognise-field.ts";
import { appOf, findModel, namedModel, notFound, ofTheProject } from "./recognise-model.ts";
import type { ModelSummary, Summary } from "./summary.ts";

const USERS: Purpose = { what: "the users", option: "--user-model" };

/** Finds out which models and fields hold the chat. Throws `SourceError` for what is missing or ambiguous. */
export function recognise(summary: Summary, options: MappingOptions): Mapping {
  const profiles = findProfiles(summary, options);
  const users = findUsers(summary, profiles ? {} : options);
  const messages = findMessages(summary, options);
  const rooms = findRooms(summary, options, messages);
  const room = mapRooms(rooms, options);
  const members =
    options.participants === false ? null : findMembers(summary, options, rooms, [users, messages]);
  if (!members && room.participants.length === 0 && options.participants !== false && !options.addSenders) {
    throw new SourceError(
      `Who is a member of a room? Name fields of ${rooms.label} with --participants (it has ${listFields(rooms)}), or a model with --member-model. With --add-senders those who wrote are members, with --no-participants nobody is.`,
    );
  }
  return {
    users: mapUsers(users, options),
    profiles,
    rooms: room,
    members,
    messages: mapMessages(messages, options, rooms),
  };
}

/** The profiles, if the model of users that is named has no email, but a field that points to a user. */
function findProfiles(summary: Summary, { userModel }: MappingOptions): ProfileMapping | null {
  if (userModel === undefined) return null;
  const model = namedModel(summary, userModel, USERS.option);
  const user = findField(model, PROFILE_USER, REFERENCE);
  const isUser = user === null || findField(model, USER_FIELDS.email, ["string"]) !== null;
  return isUser ? null : { model: model.label, user };
}

function findUsers(summary: Summary, { userModel }: MappingOptions): ModelSummary {
  if (userModel !== undefined) return namedModel(summary, userModel, USERS.option);
  // Django's own base class of users has these two fields.
  const accounts = ofTheProject(summary).filter(
    ({ fields }) => fields.has("password") && fields.has("last_login"),
  );
  if (accounts.length === 1 && accounts[0]) return accounts[0];
  const model = findModel(summary, MODEL_NAMES.users, USERS);
  if (model) return model;
  const withEmail = ofTheProject(summary).filter(
    ({ fields }) => fields.has("email") && (fields.has("username") || fields.has("is_active")),
  );
  if (withEmail.length === 1 && withEmail[0]) return withEmail[0];
  throw notFound(summary, USERS);
}

function findMessages(summary: Summary, { messageModel, text }: MappingOptions): ModelSummary {
  const purpose: Purpose = { what: "the messages", option: "--message-model" };
  if (messageModel !== undefined) return namedModel(summary, messageModel, purpose.option);
  const accept = (model: ModelSummary) =>
    text === undefined ? findField(model, MESSAGE_FIELDS.text, ["string"]) !== null : model.fields.has(text);
  const model = findModel(summary, MODEL_NAMES.messages, purpose, { accept });
  if (model) return model;
  throw notFound(summary, purpose);
}

function findRooms(summary: Summary, { roomModel }: MappingOptions, messages: ModelSummary): ModelSummary {
  const purpose: Purpose = { what: "the rooms", option: "--room-model" };
  if (roomModel !== undefined) return namedModel(summary, roomModel, purpose.option);
  const accept = (model: ModelSummary) => model !== messages;
  const model = findModel(summary, MODEL_NAMES.rooms, purpose, { app: appOf(messages.label), accept });
  if (model) return model;
  throw notFound(summary, purpose);
}

const MEMBERS: Purpose = { what: "the members", option: "--member-model" };

function findMembers(
  summary: Summary,
  { memberModel, memberRoom, memberUser, participants }: MappingOptions,
  rooms: ModelSummary,
  others: readonly ModelSummary[],
): MemberMapping | null {
  if (memberModel === undefined && participants !== undefined) return null;
  const accept = (model: ModelSummary) =>
    model !== rooms &&
    !others.includes(model) &&
    findRoomReference(model, rooms) !== null &&
    findField(model, MEMBER_FIELDS.user, REFERENCE) !== null;
  const model =
    memberModel === undefined
      ? findModel(summary, MODEL_NAMES.members, MEMBERS, { app: appOf(rooms.label), accept })
      : namedModel(summary, memberModel, MEMBERS.option);
  return model ? mapMembers(model, rooms, memberRoom, memberUser) : null;
}
