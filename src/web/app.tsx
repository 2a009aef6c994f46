import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { type Chat, connect } from "../client/index.ts";
import { ChatPage } from "./chat-page.tsx";
import { serverUrl } from "./server-url.ts";
import { type PageConfig, readConfig, type SignInConfig } from "./sign-in/config.ts";
import { beginSignIn, resumeSignIn, type SignInState, signOut } from "./sign-in/sign-in.ts";
import type { SignedIn } from "./sign-in/signed-in.ts";

interface Loaded {
  config: PageConfig;
  state: SignInState;
}

/** Signs the user in, and opens their chat. */
export function App() {
  const [loaded, setLoaded] = useState<Loaded>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const load = async () => {
      const config = await readConfig();
      setLoaded({ config, state: await resumeSignIn(config) });
    };
    load().catch((error: Error) => setProblem(error.message));
  }, []);
  if (problem !== undefined) {
    return (
      <Start>
        <p role="alert">{problem}</p>
        <button type="button" class="button" onClick={() => location.reload()}>
          Try again
        </button>
      </Start>
    );
  }
  if (!loaded)
    return (
      <Start>
        <p role="status">Signing in …</p>
      </Start>
    );
  const { config, state } = loaded;
  if (config.client_id === null) {
    return (
      <Start>
        <p role="alert">
          Nobody can sign in yet. Register this page at {config.issuer}, and set PARLEY_CLIENT_ID to the id
          that it gets there.
        </p>
      </Start>
    );
  }
  if (state.status === "signed-in") return <SignedInChat config={config} user={state.user} />;
  return (
    <Start>
      {state.problem !== undefined && <p role="alert">{state.problem}</p>}
      <button type="button" class="button primary" onClick={() => void beginSignIn(config)}>
        Sign in
      </button>
    </Start>
  );
}

/** What is shown while there is no chat. */
function Start({ children }: { children: ComponentChildren }) {
  return (
    <main class="start-page">
      <img src={new URL("icon.svg", serverUrl).href} alt="" width="56" height="56" />
      <h1>Parley</h1>
      {children}
    </main>
  );
}

/** A user's chat. When they are signed out it stays, so that nothing that was written is lost. */
function SignedInChat({ config, user }: { config: SignInConfig; user: SignedIn }) {
  const [chat, setChat] = useState<Chat>();
  const [isSignedOut, setIsSignedOut] = useState(false);
  useEffect(() => {
    const connected = connect({ url: serverUrl.href, token: user.token, storage: localStorage });
    const onEnd = () => setIsSignedOut(true);
    user.ended.addEventListener("abort", onEnd);
    setChat(connected);
    return () => {
      user.ended.removeEventListener("abort", onEnd);
      connected.close();
    };
  }, [user]);
  return (
    chat && (
      <ChatPage
        chat={chat}
        isSignedOut={isSignedOut}
        onSignIn={() => void beginSignIn(config)}
        onSignOut={() => signOut(config, user)}
      />
    )
  );
}
