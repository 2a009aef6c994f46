import { useEffect, useState } from "preact/hooks";

import { type Chat, connect } from "../client/index.ts";
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
      const state = await resumeSignIn(config);
      setLoaded({ config, state });
      if (state.status === "signed-out") return;
      const onEnd = () =>
        setLoaded({ config, state: { status: "signed-out", problem: "Please sign in again." } });
      state.user.ended.addEventListener("abort", onEnd);
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

function SignIn({ config, problem }: { config: SignInConfig; problem: string | undefined }) {
  return (
    <main>
      {problem !== undefined && <p role="alert">{problem}</p>}
      <button type="button" onClick={() => void beginSignIn(config)}>
        Sign in
      </button>
    </main>
  );
}

function Home({ config, user }: { config: SignInConfig; user: SignedIn }) {
  const [chat, setChat] = useState<Chat>();
  const [, setVersion] = useState(0);
  useEffect(() => {
    const connected = connect({ url: serverUrl.href, token: user.token });
    connected.subscribe(() => setVersion((version) => version + 1));
    setChat(connected);
    return () => connected.close();
  }, [user]);
  return (
    <main>
      <p>
        <strong>{chat?.me?.name ?? chat?.me?.email ?? "…"}</strong> ({chat?.status})
      </p>
      <ul>
        {chat?.rooms.map(({ id, name }) => (
          <li key={id}>{name}</li>
        ))}
      </ul>
      <button type="button" onClick={() => signOut(config, user)}>
        Sign out
      </button>
    </main>
  );
}
