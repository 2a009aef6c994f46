import { Component, type ComponentChild } from "preact";

import type { Message, PendingMessage } from "../../client/index.ts";
import { dayName, dayOf } from "../ui/times.ts";
import { MessageView } from "./message.tsx";

/** A message after a longer pause shows its sender again. */
const MAX_PAUSE_MS = 5 * 60_000;

/** A message that is being edited. */
export interface Editing {
  seq: number;
  /** The text to begin with, if it is not the message's own. */
  text?: string | undefined;
}

interface Props {
  messages: readonly (Message | PendingMessage)[];
  /** The message before them. */
  previous: Message | undefined;
  /** The first of them that the user has not read, if there is a line above it. */
  firstUnread: number | undefined;
  editing: Editing | undefined;
  /** The one that the address of the page names. */
  target: number | undefined;
  /** The newest message, if it is this user's: below it is who has seen it. */
  lastOwn: number | undefined;
}

/** Some messages that follow each other. They are compared only when one of them has changed, so that a room may be long. */
export class MessageChunk extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    const { messages, ...rest } = this.props;
    return (
      next.messages.length !== messages.length ||
      next.messages.some((message, index) => message !== messages[index]) ||
      Object.entries(rest).some(([name, value]) => next[name as keyof Props] !== value)
    );
  }

  override render({ messages, previous, firstUnread, editing, target, lastOwn }: Props): ComponentChild {
    const rows: ComponentChild[] = [];
    for (const message of messages) {
      const { seq, sent_at, client_id } = message;
      const isNewDay = !previous || dayOf(previous.sent_at) !== dayOf(sent_at);
      const isFirstUnread = seq !== 0 && seq === firstUnread;
      if (isNewDay) rows.push(<DayLine key={`day ${seq}`} time={sent_at} />);
      if (isFirstUnread) rows.push(<UnreadLine key="unread" />);
      rows.push(
        <MessageView
          key={client_id ?? seq}
          message={message}
          isContinued={!isNewDay && !isFirstUnread && previous !== undefined && continues(message, previous)}
          editing={seq !== 0 && seq === editing?.seq ? editing : undefined}
          isTarget={seq !== 0 && seq === target}
          isLastOwn={seq !== 0 && seq === lastOwn}
        />,
      );
      previous = message;
    }
    return <ol class="chunk">{rows}</ol>;
  }
}

function continues(message: Message, previous: Message): boolean {
  return (
    message.sender.id === previous.sender.id &&
    message.reply_to === undefined &&
    Date.parse(message.sent_at) - Date.parse(previous.sent_at) < MAX_PAUSE_MS
  );
}

function DayLine({ time }: { time: string }) {
  return (
    <li class="day-line">
      <time dateTime={time.slice(0, 10)}>{dayName(time)}</time>
    </li>
  );
}

function UnreadLine() {
  return (
    <li class="unread-line" data-unread>
      <span>New</span>
    </li>
  );
}
