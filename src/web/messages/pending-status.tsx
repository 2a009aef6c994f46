import { useEffect, useState } from "preact/hooks";

import type { ParleyError, PendingMessage } from "../../client/index.ts";
import { useRoomActions } from "../rooms/room-actions.ts";
import { explain } from "../ui/explain.ts";
import { useStore } from "../ui/hooks.ts";
import { duration } from "../ui/times.ts";

/** A message that is sent at once is not shown as being sent. */
const SENDING_DELAY_MS = 600;

/** What has become of a message that is not stored yet. */
export function PendingStatus({ message }: { message: PendingMessage }) {
  const actions = useRoomActions();
  const { room } = actions;
  const isOpen = useStore(room, ({ status }) => status === "open");
  const slowMode = useStore(room, (current) => current.slowMode ?? 0);
  const [isLate, setIsLate] = useState(false);
  /** Why the server did not take it yet. */
  const [refusal, setRefusal] = useState<ParleyError>();
  useEffect(() => {
    const timer = setTimeout(() => setIsLate(true), SENDING_DELAY_MS);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => room.on("error", ({ error }) => setRefusal(error)), [room]);
  if (message.status === "failed") {
    return (
      <p class="pending-status failed-status">
        <strong>Not sent.</strong> {message.error ? explain(message.error) : ""}{" "}
        <button
          type="button"
          class="link-button"
          onClick={() => {
            room.resend(message).catch(() => undefined);
            actions.focusComposer();
          }}
        >
          Try again
        </button>{" "}
        <button
          type="button"
          class="link-button"
          onClick={() => {
            room.discard(message);
            actions.focusComposer();
          }}
        >
          Discard
        </button>
      </p>
    );
  }
  if (!isLate || message.status === "stored") return null;
  if (!isOpen) return <p class="pending-status">Will be sent when you are connected.</p>;
  if (slowMode > 0 && room.role === "member")
    return <p class="pending-status">Waiting: one message every {duration(slowMode)} in this room.</p>;
  if (!refusal) return <p class="pending-status">Sending …</p>;
  const reason = refusal.code === "rate_limited" ? "You are writing too fast." : explain(refusal);
  return <p class="pending-status">{reason} This message will be sent later.</p>;
}
