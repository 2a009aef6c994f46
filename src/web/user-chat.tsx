import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { api } from "../client/api.ts";
import { type Chat, connect, type Snapshot } from "../client/index.ts";
import { ChatPage } from "./chat-page.tsx";
import { Notifications } from "./notifications/notifications.ts";
import { forgetDevice, onForgotten } from "./offline/forget-device.ts";
import { keepSnapshot } from "./offline/keep-snapshot.ts";
import { deleteSnapshot, loadSnapshot } from "./offline/snapshot.ts";
import { serverUrl } from "./server-url.ts";
import type { SignInConfig } from "./sign-in/config.ts";
import { beginSignIn, readLastUser, type SigningIn, SignInRefused, signOut } from "./sign-in/sign-in.ts";
import type { SignedIn } from "./sign-in/signed-in.ts";

interface Props {
  config: SignInConfig;
  signingIn: SigningIn;
  /** The issuer does not sign the user in, or they have signed out in another tab. `reason` may be empty. */
  onSignedOut: (reason: string) => void;
  /** The issuer can't be reached, and this device has nothing to show. */
  onFailure: (reason: string) => void;
  /** What is shown before there is a chat. */
  children: ComponentChildren;
}

/**
 * A user's chat: what they saw last on this device, while they are signed in again, or while there is no network. When they
 * are signed out it stays, so that nothing that was written is lost.
 */
export function UserChat({ config, signingIn, onSignedOut, onFailure, children }: Props) {
  const [open, setOpen] = useState<{ chat: Chat; notifications: Notifications }>();
  const [user, setUser] = useState<SignedIn>();
  const [isSignedOut, setIsSignedOut] = useState(false);
  useEffect(() => {
    const ending = new AbortController();
    let opened: Chat | undefined;
    const token = async (options: { refresh: boolean }) => (await signIn()).token(options);
    const openChat = (snapshot?: Snapshot) => {
      const chat = (opened = connect({ url: serverUrl.href, token, storage: localStorage, snapshot }));
      setOpen({ chat, notifications: new Notifications(api(chat), config.push_key) });
      return chat;
    };
    /** The connection calls it again after each failure. */
    let attempt: Promise<SignedIn> | undefined;
    const signIn = () =>
      (attempt ??= signingIn
        .signIn()
        .then(start)
        .catch((error: unknown) => {
          attempt = undefined;
          throw error;
        }));
    const start = async (signedIn: SignedIn) => {
      const name = readLastUser() ?? "";
      if (name !== signingIn.lastUser) {
        opened?.close();
        opened = undefined;
        await deleteSnapshot();
      }
      setUser(signedIn);
      signedIn.ended.addEventListener("abort", () => setIsSignedOut(true));
      keepSnapshot(opened ?? openChat(), name, AbortSignal.any([ending.signal, signedIn.ended]));
      return signedIn;
    };
    const run = async () => {
      const first = signIn();
      // It may fail before the snapshot is loaded.
      first.catch(() => undefined);
      const { lastUser } = signingIn;
      const snapshot = lastUser === undefined ? undefined : await loadSnapshot(lastUser);
      if (snapshot && !opened && lastUser === readLastUser() && !ending.signal.aborted) openChat(snapshot);
      try {
        await first;
      } catch (error) {
        if (error instanceof SignInRefused) {
          await deleteSnapshot();
          onSignedOut(error.message);
        } else if (!opened) onFailure(error instanceof Error ? error.message : String(error));
      }
    };
    void run();
    onForgotten(() => onSignedOut(""), ending.signal);
    return () => {
      ending.abort();
      opened?.close();
    };
  }, [signingIn]);
  if (!open) return children;
  const leave = async () => {
    await forgetDevice(open.notifications);
    user?.end();
    signOut(config, user?.idToken);
  };
  return (
    <ChatPage
      key={open.chat}
      {...open}
      isSignedOut={isSignedOut}
      onSignIn={() => void beginSignIn(config)}
      onSignOut={() => void leave()}
    />
  );
}
