import { useMemo, useState } from "preact/hooks";

import type { Message, PendingMessage } from "../../client/index.ts";
import { isMentioned, mentionedNames } from "../members/known-users.ts";
import { useRoomActions } from "../rooms/room-actions.ts";
import { Avatar } from "../ui/avatar.tsx";
import { nameOf } from "../ui/names.ts";
import { clockTime, exactTime, shortClockTime } from "../ui/times.ts";
import { EditForm } from "./edit-form.tsx";
import { MessageActions } from "./message-actions.tsx";
import { MessageText } from "./message-text.tsx";
import { PendingStatus } from "./pending-status.tsx";
import { Quote } from "./quote.tsx";
import { Reactions } from "./reactions.tsx";
import { SeenBy } from "./seen-by.tsx";

interface Props {
  message: Message | PendingMessage;
  /** Whether it follows a message of the same sender, so that the name is not repeated. */
  isContinued: boolean;
  /** Whether it is being edited, and with which text if not with its own. */
  editing: { text?: string | undefined } | undefined;
  /** Whether the address of the page names it. */
  isTarget: boolean;
  /** Whether it is the newest message, and this user's. */
  isLastOwn: boolean;
}

/** One message. What can be done with it is there only while the pointer or the focus is on it. */
export function MessageView({ message, isContinued, editing, isTarget, isLastOwn }: Props) {
  const { room, users } = useRoomActions();
  const [isActive, setIsActive] = useState(false);
  const names = useMemo(() => mentionedNames(message, users), [message, users]);
  const { seq, sender, sent_at, edited_at, deleted_at, reply_to } = message;
  const pending = "status" in message ? message : undefined;
  // The Tab key skips the buttons of the other messages.
  const tabIndex = isActive ? 0 : -1;
  const isDeleted = deleted_at !== undefined;
  const me = room.me?.id;
  const classes = ["message"];
  if (isContinued) classes.push("continued");
  if (isTarget) classes.push("target");
  if (pending) classes.push(pending.status);
  if (isMentioned(message, me) && sender.id !== me) classes.push("mentions-me");
  const hover = ({ type, pointerType }: PointerEvent) => {
    // A finger always leaves what it has touched. Then the focus counts.
    if (pointerType !== "touch") setIsActive(type === "pointerenter");
  };
  return (
    <li
      class={classes.join(" ")}
      data-seq={seq || undefined}
      data-anchor={seq || pending?.client_id}
      tabIndex={-1}
      onPointerEnter={hover}
      onPointerLeave={hover}
      onFocusIn={() => setIsActive(true)}
      onFocusOut={({ relatedTarget, currentTarget }) => {
        if (!(relatedTarget instanceof Node && currentTarget.contains(relatedTarget))) setIsActive(false);
      }}
    >
      {isContinued ? (
        <time class="side-time" dateTime={sent_at} title={exactTime(sent_at)}>
          {shortClockTime(sent_at)}
        </time>
      ) : (
        <Avatar user={sender} />
      )}
      <div class="message-body">
        <p class={isContinued ? "visually-hidden" : "message-head"}>
          <bdi class="sender">{nameOf(sender)}</bdi>{" "}
          <time dateTime={sent_at} title={exactTime(sent_at)}>
            {clockTime(sent_at)}
          </time>
        </p>
        {reply_to !== undefined && !isDeleted && <Quote seq={reply_to} tabIndex={tabIndex} />}
        {isDeleted ? (
          <p class="deleted">This message was deleted.</p>
        ) : editing ? (
          <EditForm message={message} text={editing.text ?? message.text} />
        ) : (
          <MessageText text={message.text} names={names}>
            {edited_at !== undefined && (
              <span class="edited" title={exactTime(edited_at)}>
                {" "}
                (edited)
              </span>
            )}
          </MessageText>
        )}
        {message.reactions.length > 0 && <Reactions message={message} tabIndex={tabIndex} />}
        {pending && <PendingStatus message={pending} />}
        {isLastOwn && !isDeleted && <SeenBy room={room} seq={seq} />}
      </div>
      {isActive && !pending && !isDeleted && !editing && <MessageActions message={message} />}
    </li>
  );
}
