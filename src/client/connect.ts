import type { Chat } from "./chat.ts";
import type { ConnectOptions } from "./options.ts";
import { Session } from "./session.ts";

/** Connects to a server and returns the chat at once. Later failures are events. Throws a `TypeError` if an option is invalid. */
export function connect(options: ConnectOptions): Chat {
  return new Session(options);
}
