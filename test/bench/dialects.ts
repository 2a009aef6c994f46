import { clientFrame } from "./frames.ts";

export const TEXT = "Hello, how are you? This is a message of some length.";

/** What the generator has to know of a dialect. Frames are told apart by one byte of their payload. */
export interface Dialect {
  name: string;
  /** Subprotocol to offer. */
  protocol: string | undefined;
  /** A client frame that sends `TEXT`. */
  send: Uint8Array;
  isMessage(bytes: Uint8Array, start: number): boolean;
  /** Whether the frame tells the sender that a message is on disk. */
  isAck(bytes: Uint8Array, start: number): boolean;
}

/** Has no acks: in a room of their own, senders wait for their message to come back. */
export const classic: Dialect = {
  name: "classic",
  protocol: undefined,
  send: clientFrame(JSON.stringify({ message: TEXT })),
  isMessage: () => true,
  isAck: () => true,
};

/** Index of the first letter of a frame's type in `{"type":"change"`. */
const TYPE_INDEX = 9;
const [A, C] = [0x61, 0x63];

export const v2: Dialect = {
  name: "chat.v2",
  protocol: "chat.v2",
  send: clientFrame(JSON.stringify({ type: "send", id: "1", text: TEXT })),
  isMessage: (bytes, start) => bytes[start + TYPE_INDEX] === C,
  isAck: (bytes, start) => bytes[start + TYPE_INDEX] === A,
};
