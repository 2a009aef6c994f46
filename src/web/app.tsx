import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { requireStorage } from "./remember.ts";
import { serverUrl } from "./server-url.ts";
import { type PageConfig, readConfig } from "./sign-in/config.ts";
import { beginSignIn, resumeSignIn, type SigningIn } from "./sign-in/sign-in.ts";
import { UserChat } from "./user-chat.tsx";

interface Loaded {
  config: PageConfig;
  signingIn: SigningIn | undefined;
}

/** Signs the user in, and opens their chat. */
export function App() {
  const [loaded, setLoaded] = useState<Loaded>();
  /** Why nobody can sign in at the moment. */
  const [failure, setFailure] = useState<string>();
  /** Why the issuer did not sign the user in. */
  const [refusal, setRefusal] = useState("");
  useEffect(() => {
    const start = async () => {
      requireStorage();
      const config = await readConfig();
      setLoaded({ config, signingIn: config.client_id === null ? undefined : resumeSignIn(config) });
    };
    start().catch((error: Error) => setFailure(error.message));
  }, []);
  if (failure !== undefined) {
    return (
      <Start>
        <p role="alert">{failure}</p>
        <button type="button" class="button" onClick={() => location.reload()}>
          Try again
        </button>
      </Start>
    );
  }
  if (!loaded) return <Waiting />;
  const { config, signingIn } = loaded;
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
  if (signingIn) {
    const onSignedOut = (reason: string) => {
      setRefusal(reason);
      setLoaded({ config, signingIn: undefined });
    };
    return (
      <UserChat config={config} signingIn={signingIn} onSignedOut={onSignedOut} onFailure={setFailure}>
        <Waiting />
      </UserChat>
    );
  }
  const begin = () => void beginSignIn(config).catch((error: Error) => setRefusal(error.message));
  return (
    <Start>
      {refusal !== "" && <p role="alert">{refusal}</p>}
      <button type="button" class="button primary" onClick={begin}>
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

function Waiting() {
  return (
    <Start>
      <p role="status">Signing in …</p>
    </Start>
  );
}
