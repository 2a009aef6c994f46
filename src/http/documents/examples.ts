/** Examples of the main commands and frames of `chat.v2`, by type. A test checks them against the schemas. */

const user = { id: "auth0|b2", email: "user2@example.com", name: "User Two" };
const message = {
  seq: 2,
  rev: 2,
  sender: user,
  text: "Hi there!",
  sent_at: "2026-11-23T09:00:03.000Z",
  reply_to: 1,
  client_id: "6f1c",
  reactions: [],
};
const room = "general";

export const commandExamples: Readonly<Record<string, object>> = {
  open: { type: "open", id: "1", room },
  close: { type: "close", id: "2", room },
  summary: { type: "summary", id: "2", room },
  send: { type: "send", id: "3", room, text: "Hi there!", client_id: "6f1c", reply_to: 1 },
  edit: { type: "edit", id: "4", room, seq: 2, text: "Hi, Two!" },
  delete: { type: "delete", id: "5", room, seq: 2 },
  react: { type: "react", id: "6", room, seq: 1, emoji: "👍", on: true },
  read: { type: "read", id: "7", room, seq: 2 },
  typing: { type: "typing", room },
  auth: { type: "auth", id: "8", token: "<jwt>" },
  ping: { type: "ping", id: "9" },
};

export const frameExamples: Readonly<Record<string, object>> = {
  changes: { type: "changes", room, rev: 2, messages: [message] },
  change: { type: "change", room, kind: "created", message },
  activity: { type: "activity", room, seq: 2, rev: 2, last_message: message },
  left: { type: "left", room, reason: "removed" },
  ack: { type: "ack", room, id: "3", seq: 2, rev: 2 },
  error: {
    type: "error",
    room,
    id: "4",
    code: "message_not_found",
    message: "There is no such message in this room.",
  },
  presence: { type: "presence", room, user, online: true },
  typing: { type: "typing", room, user },
  read: { type: "read", room, user, seq: 2, unread: 0, room_seq: 2, room_rev: 2 },
  member: { type: "member", room, user, role: "moderator" },
  "token.expiring": { type: "token.expiring", expires_at: "2026-11-23T10:00:00.000Z" },
  restarting: { type: "restarting", retry_after_ms: 1000 },
};
