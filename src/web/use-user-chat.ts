import { useEffect, useState } from "preact/hooks";

import { api } from "../client/api.ts";
import { type Chat, connect, type Snapshot } from "../client/index.ts";
import { Notifications } from "./notifications/notifications.ts";
import { onForgotten } from "./offline/forget-user.ts";
import { keepSnapshot } from "./offline/keep-snapshot.ts";
import { deleteSnapshot, loadSnapshot } from "./offline/snapshot.ts";
import { serverUrl } from "./server-url.ts";
import type { SignInConfig } from "./sign-in/config.ts";
import { readLastUser, type SigningIn, SignInRefused } from "./sign-in/sign-in.ts";
import type { SignedIn } from "./sign-in/signed-in.ts";

export interface UserChatOptions {
  config: SignInConfig;
  signingIn: SigningIn;
  /** The issuer does not sign the user in, or they have signed out in another tab. `reason` may be empty. */
  onSignedOut: (reason: string) => void;
  /** The issuer can't be reached, and this device has nothing to show. */
  onFailure: (reason: string) => void;
}

export interface UserChat {
  chat: Chat;
  notifications: Notifications;
}

/**
 * Signs a user in, and opens their chat: with what they saw last on this device, while they are signed in again or while there
 * is no network. `open` and `user` are undefined until there is something to show, and until the user is signed in.
 */
export function useUserChat({ config, signingIn, onSignedOut, onFailure }: UserChatOptions) {
  const [open, setOpen] = useState<UserChat>();
  const [user, setUser] = useState<SignedIn>();
  useEffect(() => {
    const { lastUser } = signingIn;
    const ending = new AbortController();
    let chat: Chat | undefined;
    const openChat = (snapshot?: Snapshot) => {
      chat = connect({ url: serverUrl.href, token, storage: localStorage, snapshot });
      setOpen({ chat, notifications: new Notifications(api(chat), config.push_key) });
      return chat;
    };

    /** Undefined after an attempt that has failed. */
    let attempt: Promise<SignedIn> | undefined;
    const signIn = () => {
      attempt ??= signingIn.signIn().then(onSignedIn);
      attempt.catch(() => {
        attempt = undefined;
      });
      return attempt;
    };
    /** The chat calls it for each connection that it tries to make. */
    const token = async (options: { refresh: boolean }) => (await signIn()).token(options);
    const onSignedIn = async (signedIn: SignedIn) => {
      ending.signal.throwIfAborted();
      const name = readLastUser() ?? "";
      if (name !== lastUser) {
        chat?.close();
        chat = undefined;
        await deleteSnapshot();
      }
      setUser(signedIn);
      keepSnapshot(chat ?? openChat(), name, AbortSignal.any([ending.signal, signedIn.ended]));
      return signedIn;
    };

    const start = async () => {
      const signedIn = signIn();
      const snapshot = lastUser === undefined ? undefined : await loadSnapshot(lastUser);
      if (snapshot && !chat && lastUser === readLastUser() && !ending.signal.aborted) openChat(snapshot);
      await signedIn;
    };
    start().catch((error: Error) => {
      if (error instanceof SignInRefused) void deleteSnapshot().then(() => onSignedOut(error.message));
      else if (!chat) onFailure(error.message);
    });
    onForgotten(() => {
      onSignedOut("");
      // This tab may have been about to store another one.
      void deleteSnapshot();
    }, ending.signal);
    return () => {
      ending.abort();
      chat?.close();
    };
  }, [signingIn]);
  return { open, user };
}
