import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ChatPage } from "./chat-page.tsx";
import { forgetUserHere } from "./offline/forget-user.ts";
import { deleteSnapshot } from "./offline/snapshot.ts";
import { beginSignIn, signOut } from "./sign-in/sign-in.ts";
import { type UserChatOptions, useUserChat } from "./use-user-chat.ts";

interface Props extends UserChatOptions {
  /** What is shown before there is a chat. */
  children: ComponentChildren;
}

/** A user's chat. When they are signed out it stays, so that nothing that was written is lost. */
export function UserChat({ children, ...options }: Props) {
  const { config } = options;
  const { open, user } = useUserChat(options);
  const [isSignedOut, setIsSignedOut] = useState(false);
  useEffect(() => {
    const onEnd = () => setIsSignedOut(true);
    user?.ended.addEventListener("abort", onEnd);
    return () => user?.ended.removeEventListener("abort", onEnd);
  }, [user]);
  if (!open) return children;
  const leave = async () => {
    await forgetUserHere(open.notifications);
    user?.end();
    // From here on, nothing more is stored.
    await deleteSnapshot();
    signOut(config, user?.idToken);
  };
  return (
    <ChatPage
      key={open.chat}
      {...open}
      isSignedOut={isSignedOut}
      onSignIn={() => void beginSignIn(config).catch(() => undefined)}
      onSignOut={() => void leave()}
    />
  );
}
