import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../support/process.ts";
import { exampleConfig } from "./migration-document.ts";
import type { Target } from "./old-client.ts";

/** A message as the tests know it. */
export interface Said {
  seq: number;
  text: string;
  sender: { id: string; email: string; name: string };
}

/** Stands for a time in expected frames. */
export const TIME = "<time>";

/** An old server, as its clients know it. What is absent does not exist there. */
export interface Sample {
  name: string;
  /** The path of its classic.json. */
  config: string;
  target: (room: string, token: string) => Target;
  history?: (messages: readonly Said[]) => unknown;
  /** What a client sends. */
  send: (text: string) => unknown;
  edit?: (seq: number, text: string) => unknown;
  delete?: (seq: number) => unknown;
  read?: (seq: number) => unknown;
  /** Frames that the server drops. */
  ignored?: unknown[];
  /** What the server sends. */
  message: (message: Said) => unknown;
  edited?: (message: Said) => unknown;
  deleted?: (message: Said) => unknown;
  error?: (code: string) => unknown;
  /** Statuses below 1000 are those of the upgrade, others are close codes. */
  refusals: { unauthorized: number; roomNotFound: number };
}

/** A file of docs/migration. */
export const configFile = (name: string) => join(root, `docs/migration/${name}.json`);

const anyText = expect.any(String) as unknown;

const withHeader = (room: string, token: string): Target => ({
  path: `/ws/chat/${room}/`,
  headers: { authorization: `Bearer ${token}` },
});

const documented: Sample = {
  name: "documented",
  config: configFile("documented"),
  target: withHeader,
  history: (messages) => messages.map(({ text, sender }) => ({ text, sender_email: sender.email })),
  send: (text) => ({ message: text }),
  message: ({ text }) => ({ message: text }),
  error: (code) => ({ error: { code, message: anyText } }),
  refusals: { unauthorized: 401, roomNotFound: 404 },
};

const newestFirst: Sample = {
  ...documented,
  name: "newest-first",
  config: configFile("newest-first"),
  history: (messages) =>
    messages.map(({ text, sender }) => ({ text, sender_email: sender.email })).toReversed(),
};

const tutorial: Sample = {
  name: "tutorial",
  config: configFile("tutorial"),
  target: withHeader,
  send: (text) => ({ message: text }),
  message: ({ text }) => ({ message: text }),
  refusals: { unauthorized: 401, roomNotFound: 404 },
};

const named = ({ text, sender }: Said) => ({ message: text, username: sender.name });

const username: Sample = {
  name: "username",
  config: configFile("username"),
  target: withHeader,
  history: (messages) => ({ messages: messages.map(named) }),
  send: (text) => ({ message: text, username: "ignored", room: "ignored" }),
  message: named,
  error: () => ({ error: anyText }),
  refusals: { unauthorized: 401, roomNotFound: 404 },
};

const withSender = ({ seq, text, sender }: Said) => ({ id: seq, content: text, sender, timestamp: TIME });

const chatMessage: Sample = {
  name: "chat-message",
  config: configFile("chat-message"),
  target: (room, token) => ({ path: `/ws/rooms/${room}/?token=${token}` }),
  history: (messages) => ({ type: "chat_history", messages: messages.map(withSender) }),
  send: (text) => ({ type: "chat_message", content: text }),
  read: () => ({ type: "mark_read" }),
  ignored: [{ type: "typing", is_typing: true }],
  message: (message) => ({ type: "chat_message", message: withSender(message) }),
  edited: ({ seq, text }) => ({ type: "message_updated", message: { id: seq, content: text } }),
  deleted: ({ seq }) => ({ type: "message_deleted", message_id: seq }),
  error: () => ({ type: "error", message: anyText }),
  refusals: { unauthorized: 4001, roomNotFound: 4004 },
};

const withSenderId = ({ seq, text, sender }: Said) => ({
  message_id: seq,
  sender_id: sender.id,
  text,
  created_at: TIME,
});

const actions: Sample = {
  name: "actions",
  config: configFile("actions"),
  target: (room, token) => ({ path: `/ws/chat/?room_id=${room}`, protocols: ["Bearer", token] }),
  history: (messages) => messages.map(withSenderId),
  send: (text) => ({ action: "send", message: text, file: null }),
  edit: (seq, text) => ({ action: "edit", message_id: seq, text }),
  delete: (seq) => ({ action: "delete", message_id: String(seq) }),
  read: (seq) => ({ action: "read", message_id: seq }),
  message: (message) => ({ type: "chat_message", message: withSenderId(message) }),
  edited: ({ seq, text }) => ({ type: "message_edited", message_id: seq, text }),
  deleted: ({ seq }) => ({ type: "message_deleted", message_id: seq }),
  error: () => ({ type: "error", message: anyText }),
  refusals: { unauthorized: 401, roomNotFound: 404 },
};

const withAuthor = ({ seq, text, sender }: Said) => ({
  id: seq,
  body: text,
  author: sender.name,
  sent: TIME,
});

/** The example in docs/migration.md, in a file of this folder. */
const example = (folder: string): Sample => {
  const config = join(folder, "classic.json");
  writeFileSync(config, exampleConfig());
  return {
    name: "the example of the page",
    config,
    target: (room, token) => ({ path: `/ws/room/${room}/?token=${token}` }),
    history: (messages) => ({ messages: messages.map(withAuthor) }),
    send: (text) => ({ type: "chat", body: text }),
    ignored: [{ type: "typing" }],
    message: (message) => ({ type: "chat", ...withAuthor(message) }),
    refusals: { unauthorized: 401, roomNotFound: 404 },
  };
};

/** All samples. Their files that are not in docs/migration are written to this folder. */
export const samplesIn = (folder: string): readonly Sample[] => [
  documented,
  newestFirst,
  tutorial,
  username,
  chatMessage,
  actions,
  example(folder),
];
