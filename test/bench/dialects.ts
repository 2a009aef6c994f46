import { clientFrame } from "./frames.ts";

export const TEXT = "Hello, how are you? This is a message of some length.";

/** What the generator has to know of a dialect, and of the URL on which it is spoken. Frames are told apart by one byte. */
export interface Dialect {
  name: string;
  /** Subprotocol to offer. */
  protocol: string | undefined;
  /** Path to connect to. */
  path: (room: string) => string;
  /** The command that opens the room, where connecting does not. */
  open?: (room: string) => Uint8Array;
  /** A client frame that sends `TEXT`. */
  send: (room: string) => Uint8Array;
  isMessage: (bytes: Uint8Array, start: number) => boolean;
  /** Whether the frame tells the sender that a message is on disk. */
  isAck: (bytes: Uint8Array, start: number) => boolean;
}

export function roomPath(room: string): string {
  return `/ws/chat/${room}/`;
}

function command(fields: Record<string, unknown>): Uint8Array {
  return clientFrame(JSON.stringify(fields));
}

const sendClassic = command({ message: TEXT });

/** Has no acks: in a room of their own, senders wait for their message to come back. */
export const classic: Dialect = {
  name: "classic",
  protocol: undefined,
  path: roomPath,
  send: () => sendClassic,
  isMessage: () => true,
  isAck: () => true,
};

/** Index of the first letter of a frame's type in `{"type":"change"`. */
const TYPE_INDEX = 9;
const [C, K, O, T] = [0x63, 0x6b, 0x6f, 0x74];
const sendV2 = command({ type: "send", id: "1", text: TEXT });

/** A connection to a room's URL. */
export const v2: Dialect = {
  name: "chat.v2",
  protocol: "chat.v2",
  path: roomPath,
  send: () => sendV2,
  isMessage: (bytes, start) => bytes[start + TYPE_INDEX] === C,
  // By its third letter, which tells it from `activity`.
  isAck: (bytes, start) => bytes[start + TYPE_INDEX + 2] === K,
};

/** A session that has the room open. */
export const session: Dialect = {
  ...v2,
  name: "session",
  path: () => "/ws/",
  open: (room) => openCommand(room),
  send: (room) => command({ type: "send", id: "1", room, text: TEXT }),
};

/** A session that has no room open. */
export const idleSession: Dialect = { ...v2, name: "session", path: session.path };

/** Opens a room in a session. `since` is the `rev` to resume from. */
export function openCommand(room: string, since?: number): Uint8Array {
  return command({ type: "open", id: "1", room, ...(since !== undefined && { since }) });
}

/** Whether the frame is the answer to `open`. */
export function isOpened(bytes: Uint8Array, start: number): boolean {
  return bytes[start + TYPE_INDEX] === O;
}

/** Whether the frame is the `activity` of a room that is not open. */
export function isActivity(bytes: Uint8Array, start: number): boolean {
  return bytes[start + TYPE_INDEX + 2] === T;
}
