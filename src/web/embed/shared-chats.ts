import { useEffect, useState } from "preact/hooks";

import { type Chat, connect } from "../../client/index.ts";
import type { Token } from "../../client/options.ts";
import { serverUrl } from "../server-url.ts";
import { outboxStorage } from "./storage.ts";

interface SharedChat {
  chat: Chat;
  /** Elements that use it. */
  users: number;
}

const chats = new Map<Token, SharedChat>();

/** The connection of all elements with this token function. It is closed when none of them is left. */
export function useSharedChat(token: Token | undefined): Chat | undefined {
  const [current, setCurrent] = useState<{ token: Token; chat: Chat }>();
  useEffect(() => {
    if (!token) return undefined;
    const shared = chats.get(token) ?? {
      chat: connect({ url: serverUrl.href, token, storage: outboxStorage() }),
      users: 0,
    };
    chats.set(token, shared);
    shared.users++;
    setCurrent({ token, chat: shared.chat });
    return () => {
      if (--shared.users > 0) return;
      chats.delete(token);
      shared.chat.close();
    };
  }, [token]);
  return current?.token === token ? current?.chat : undefined;
}
