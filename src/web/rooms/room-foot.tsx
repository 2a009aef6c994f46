import { Composer } from "../composer/composer.tsx";
import { useMute } from "../members/use-mute.ts";
import { useStore } from "../ui/hooks.ts";
import { listNames } from "../ui/names.ts";
import { duration } from "../ui/times.ts";
import { useRoomActions } from "./room-actions.ts";

interface Props {
  replyTo: number | undefined;
  onReplyTo: (seq: number | undefined) => void;
}

/** What is below the messages: who is typing, what the user may do here, and the composer. */
export function RoomFoot(props: Props) {
  const { room, mayPost } = useRoomActions();
  const typing = useStore(room, (current) => current.typingUsers);
  const slowMode = useStore(room, (current) => current.slowMode ?? 0);
  const isMember = useStore(room, ({ role }) => role === "member");
  const mute = useMute(room);
  return (
    <footer class="room-foot">
      <p class="room-status">
        {typing.length > 0 && (
          <span>
            <span class="typing-dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            {listNames(typing)} {typing.length === 1 ? "is" : "are"} typing
          </span>
        )}
        {mute !== undefined && (
          <span role="status" class="problem">
            {mute}
          </span>
        )}
        {typing.length === 0 && mute === undefined && slowMode > 0 && isMember && mayPost && (
          <span>Slow mode: one message every {duration(slowMode)}</span>
        )}
      </p>
      {mayPost ? (
        <Composer {...props} />
      ) : (
        <p class="read-only">Only moderators and owners write in this room.</p>
      )}
    </footer>
  );
}
