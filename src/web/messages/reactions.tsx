import type { Message } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { listReactors } from "../members/known-users.ts";
import { useRoomActions } from "../rooms/room-actions.ts";

/** The reactions to a message. A click adds one's own, or takes it back. */
export function Reactions({ message, tabIndex }: { message: Message; tabIndex: number }) {
  const { notifyOf } = useServices();
  const { room, users } = useRoomActions();
  const me = room.me?.id ?? "";
  return (
    <ul class="reactions" aria-label="Reactions">
      {message.reactions.map(({ emoji, by }) => {
        const isOwn = by.includes(me);
        const who = listReactors(by, users, me);
        return (
          <li key={emoji}>
            <button
              type="button"
              class="reaction"
              tabIndex={tabIndex}
              aria-pressed={isOwn}
              aria-label={`${emoji} ${by.length}: ${who}`}
              title={who}
              onClick={() =>
                void room.react(message.seq, emoji, !isOwn).catch(notifyOf("The reaction was not saved."))
              }
            >
              <span>{emoji}</span> {by.length}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
