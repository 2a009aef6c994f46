import { useEffect, useState } from "preact/hooks";

import { type Chat, connect } from "../client/index.ts";
import { ChatPage } from "./chat-page.tsx";
import { type PageConfig, readConfig, serverUrl, type SignInConfig } from "./config.ts";
import { beginSignIn, resumeSignIn, type SignInState, signOut } from "./sign-in.ts";
import type { SignedIn } from "./signed-in.ts";

interface Loaded {
  config: PageConfig;
  state: SignInState;
}

/** Signs the user in, and shows who they are. */
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
  if (problem !== undefined) return <p role="alert">{problem}</p>;
  if (!loaded) return <p role="status">Signing in…</p>;
  const { config, state } = loaded;
  if (config.client_id === null)
    return <p role="alert">Set PARLEY_CLIENT_ID to the id of this page at {config.issuer}.</p>;
  return state.status === "signed-in" ? (
    <Home config={config} user={state.user} />
  ) : (
    <SignIn config={config} problem={state.problem} />
  );
}

function SignIn({ config, problem }: { config: PageConfig; problem: string | undefined }) {
  return (
    <main class="sign-in">
      <h1>Parley</h1>
      {problem !== undefined && <p role="alert">{problem}</p>}
      {config.client_id === null ? (
        <p role="alert">Set PARLEY_CLIENT_ID to the id of this page at {config.issuer}.</p>
      ) : (
        <button type="button" class="button primary" onClick={() => void beginSignIn(config)}>
          Sign in
        </button>
      )}
    </main>
  );
}

function Home({ config, user }: { config: PageConfig; user: SignedIn }) {
  const [chat, setChat] = useState<Chat>();
  useEffect(() => {
    const connected = connect({ url: serverUrl.href, token: user.token, storage: localStorage });
    setChat(connected);
    return () => connected.close();
  }, [user]);
  return (
    chat && (
      <ChatPage
        chat={chat}
        onSignIn={() => void beginSignIn(config)}
        onSignOut={() => signOut(config, user)}
      />
    )
  );
}
