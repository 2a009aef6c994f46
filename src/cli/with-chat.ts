import type { Chat } from "../chat/chat.ts";
import { ChatError } from "../chat/errors.ts";
import { type Environment, readConfig } from "../config.ts";
import { openChat } from "../open-chat.ts";
import { Failure } from "./failure.ts";

export interface WithChatOptions {
  /** Whether to create the database when there is none. Default: false. */
  create?: boolean;
  /** The room that the work is about. If it does not exist, `withChat` rejects with a message that names it. */
  room?: string;
}

/** Opens the chat on its database, runs `work`, and closes it. Rejects with the errors of both. */
export async function withChat<T>(
  environment: Environment,
  { create = false, room }: WithChatOptions,
  work: (chat: Chat) => Promise<T>,
): Promise<T> {
  const { chat, close } = openChat(readConfig(environment), { create });
  try {
    return await work(chat);
  } catch (error) {
    // The general message adds "or you are not a member of it", which does not apply to the operator.
    if (room !== undefined && error instanceof ChatError && error.code === "room_not_found")
      throw new Failure(`There is no room "${room}".`, { cause: error });
    throw error;
  } finally {
    await close();
  }
}
