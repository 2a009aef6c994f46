import type { MessageBody, UserBody } from "../protocol/frames.ts";
import type { ParleyError } from "./error.ts";

/** The user who sent a message. `id` is empty in a pending message while the client does not know its own user yet. */
export interface Sender extends UserBody {
  id: string;
}

/** A message as it is now. A deleted one keeps its `seq`; its text is empty, its metadata, mentions and reactions are gone. */
export interface Message extends Omit<MessageBody, "sender"> {
  sender: Sender;
}

/**
 * A message that was sent here and is not among the room's messages. It has the shape of a message, with 0 as `seq` and
 * `rev`, so that one component can draw both.
 */
export interface PendingMessage extends Message {
  client_id: string;
  /**
   * - `waiting`: to be sent, or sent and not answered yet
   * - `stored`: acknowledged by the server; the message itself has not been received yet
   * - `failed`: refused; see `error`, and `Room.resend` and `Room.discard`
   */
  status: "waiting" | "stored" | "failed";
  /** Why it failed. */
  error?: ParleyError;
}

/** The messages of a frame or a response: everybody who has sent a message has an id. */
export const asMessages = (messages: readonly MessageBody[]) => messages as Message[];
