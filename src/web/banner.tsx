import { useEffect, useState } from "preact/hooks";

import { ParleyError } from "../client/index.ts";
import { useServices } from "./context.ts";
import { explain } from "./ui/explain.ts";
import { useStore } from "./ui/hooks.ts";

/** A connection that takes less time than this is not announced. */
const CONNECTING_DELAY_MS = 1_000;

/** Tells the user why nothing arrives at the moment. They can go on writing. */
export function Banner(props: { isSignedOut?: boolean; onSignIn?: () => void }) {
  const { chat } = useServices();
  const status = useStore(chat, (current) => current.status);
  const [problem, setProblem] = useState<unknown>();
  const [isLate, setIsLate] = useState(false);
  useEffect(
    () =>
      chat.subscribe((event) => {
        if (event.type === "error") setProblem(event.error);
        if (event.type === "closed") setProblem(new ParleyError(event.reason, ""));
      }),
    [chat],
  );
  useEffect(() => {
    setIsLate(false);
    if (status === "open") setProblem(undefined);
    const timer = setTimeout(() => setIsLate(true), CONNECTING_DELAY_MS);
    return () => clearTimeout(timer);
  }, [status]);
  const code = problem instanceof ParleyError ? problem.code : undefined;
  const isSignedOut = props.isSignedOut === true || code === "unauthorized" || code === "token_expired";
  if (isSignedOut || (status === "closed" && code !== "closed")) {
    return (
      <div class="banner closed" role="alert">
        {isSignedOut
          ? "You are signed out. What you have written is kept."
          : `Disconnected. ${explain(problem)}`}{" "}
        <button type="button" class="button small" onClick={(isSignedOut && props.onSignIn) || chat.retry}>
          {isSignedOut && props.onSignIn ? "Sign in" : "Try again"}
        </button>
      </div>
    );
  }
  let text = "";
  if (status === "offline") text = "You are offline. What you write is sent when you are back.";
  else if (status === "connecting" && isLate) {
    text = problem === undefined ? "Connecting …" : `${explain(problem)} Trying again …`;
  }
  return (
    <div class={text === "" ? "banner none" : "banner"} role="status">
      {text}
      {text !== "" && status === "connecting" && (
        <button type="button" class="link-button" onClick={() => chat.retry()}>
          Try now
        </button>
      )}
    </div>
  );
}
