import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";

import type { Message } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { useRoomActions } from "../rooms/room-actions.ts";
import { explain } from "../ui/explain.ts";
import { useStore } from "../ui/hooks.ts";
import { Icon } from "../ui/icons.tsx";
import { count, titleOf } from "../ui/names.ts";
import { type Editing, MessageChunk } from "./message-chunk.tsx";
import { onMessageKey } from "./message-keys.ts";
import { MessageWindow } from "./message-window.ts";
import { useReading } from "./reading.ts";
import { Scroller } from "./scroller.ts";

/** Messages in one chunk. Chunks begin at multiples of it, so that older messages do not move the others to other chunks. */
const CHUNK_SIZE = 50;
/** Pixels from either end at which more messages are loaded. */
const LOAD_MARGIN_PX = 1_200;

/** The messages of a room: as many as have been scrolled to. */
export function MessageList({ editing }: { editing: Editing | undefined }) {
  const { api, navigation, notify } = useServices();
  const route = useStore(navigation, (current) => current.route);
  const actions = useRoomActions();
  const { room } = actions;
  const shown = useMemo(() => new MessageWindow(room, api), [room, api]);
  const messages = useStore(shown, (current) => current.messages);
  const isAtStart = useStore(shown, (current) => current.isAtStart);
  const isAtEnd = useStore(shown, (current) => current.isAtEnd);
  const problem = useStore(shown, (current) => current.problem);
  const pending = useStore(room, (current) => current.pending);
  const isOpen = useStore(room, ({ status }) => status === "open");
  /** Not before the list has been scrolled to where the user begins: what they have not seen stays unread. */
  const [isAtBottom, setIsAtBottom] = useState(false);
  const viewport = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const scroller = useRef<Scroller>(undefined);
  const isPlaced = useRef(false);
  /** A message that is on its way into view. */
  const goal = useRef<number>(undefined);
  const [, update] = useReducer<number, undefined>((version) => version + 1, 0);
  const { firstUnread, unread } = useReading(room, end, isAtBottom && isAtEnd && messages.length > 0);

  const loadMore = () => {
    const { current } = scroller;
    if (!current || !isPlaced.current) return;
    setIsAtBottom(current.isAtBottom);
    if (current.distanceToTop < LOAD_MARGIN_PX) void shown.loadOlder();
    if (current.distanceToBottom < LOAD_MARGIN_PX) void shown.loadNewer();
  };
  const goTo = async (seq: number) => {
    goal.current = seq;
    const isThere = await shown.show(seq);
    // The user may have gone elsewhere meanwhile.
    if (goal.current !== seq) return;
    if (!isThere) {
      goal.current = undefined;
      notify("This message cannot be shown.");
    }
    update(undefined);
  };
  /** Moves to the goal once it has been rendered. */
  const reachGoal = (): boolean => {
    const element =
      goal.current !== undefined &&
      content.current?.querySelector<HTMLElement>(`[data-seq="${goal.current}"]`);
    if (!element) return false;
    goal.current = undefined;
    isPlaced.current = true;
    scroller.current?.toElement(element);
    element.focus({ preventScroll: true });
    return true;
  };
  const goToBottom = () => {
    goal.current = undefined;
    shown.showNewest();
    scroller.current?.toBottom();
    actions.focusComposer();
  };

  useLayoutEffect(() => {
    if (!viewport.current || !content.current) return undefined;
    const created = (scroller.current = new Scroller(viewport.current, content.current, loadMore));
    return () => {
      created.close();
      shown.close();
    };
  }, [shown]);
  useLayoutEffect(() => {
    const { current } = scroller;
    if (!current) return;
    current.isFollowing = isAtEnd;
    if (reachGoal()) return;
    if (!isPlaced.current && room.position) {
      isPlaced.current = true;
      const line = content.current?.querySelector("[data-unread]");
      if (line) current.toElement(line);
      else current.toBottom();
    } else current.restore();
    loadMore();
  });
  useEffect(() => {
    if (route.seq !== undefined && isOpen) void goTo(route.seq);
  }, [route, room, isOpen]);
  useEffect(() => {
    // Sending a message leads to it, wherever the user was.
    if (pending.at(-1)?.status === "waiting") {
      shown.showNewest();
      scroller.current?.toBottom();
    }
  }, [pending.at(-1)?.client_id]);
  useEffect(() => {
    if (isOpen) shown.retry();
  }, [isOpen, shown]);

  const visible = isAtEnd ? pending : [];
  const newest = isAtEnd ? messages.at(-1) : undefined;
  const lastOwn = newest?.sender.id === room.me?.id ? newest : undefined;
  const isUnreadAbove = firstUnread !== undefined && firstUnread < (messages[0]?.seq ?? 0);
  return (
    <div class="messages-frame">
      {isUnreadAbove && (
        <button type="button" class="pill top" onClick={() => void goTo(firstUnread)}>
          To the first unread message
        </button>
      )}
      <div
        ref={viewport}
        class="messages"
        role="log"
        aria-live="off"
        aria-label="Messages"
        tabIndex={0}
        onKeyDown={(event) => onMessageKey(event, actions, messages)}
      >
        <div ref={content} class="messages-content">
          <ListStart
            isAtStart={isAtStart}
            isEmpty={messages.length + visible.length === 0}
            problem={problem}
            onRetry={() => shown.retry()}
          />
          {chunksOf(messages).map((chunk, index, chunks) => (
            <MessageChunk
              key={Math.floor((chunk[0]?.seq ?? 0) / CHUNK_SIZE)}
              messages={chunk}
              previous={chunks[index - 1]?.at(-1)}
              firstUnread={within(chunk, firstUnread)}
              editing={within(chunk, editing?.seq) === undefined ? undefined : editing}
              target={within(chunk, route.seq)}
              lastOwn={within(chunk, lastOwn?.seq)}
            />
          ))}
          {visible.length > 0 && (
            <MessageChunk
              key="pending"
              messages={visible}
              previous={messages.at(-1)}
              firstUnread={undefined}
              editing={undefined}
              target={undefined}
              lastOwn={undefined}
            />
          )}
          <div ref={end} class="list-end" />
        </div>
      </div>
      {(!isAtBottom || !isAtEnd) && messages.length > 0 && (
        <button type="button" class="pill bottom" onClick={goToBottom}>
          <Icon name="down" />
          {unread > 0 ? count(unread, "new message") : "To the newest"}
        </button>
      )}
    </div>
  );
}

/** What is above the first message. */
function ListStart(props: { isAtStart: boolean; isEmpty: boolean; problem: unknown; onRetry: () => void }) {
  const { isAtStart, isEmpty, problem, onRetry } = props;
  const { room } = useRoomActions();
  const title = useStore(room, titleOf);
  const place = useStore(room, ({ direct }) => (direct ? "conversation" : "room"));
  if (problem !== undefined) {
    return (
      <p class="list-start">
        Messages could not be loaded. {explain(problem)}{" "}
        <button type="button" class="link-button" onClick={onRetry}>
          Try again
        </button>
      </p>
    );
  }
  if (!isAtStart)
    return <p class="list-start">{room.position ? "Loading older messages …" : "Loading messages …"}</p>;
  return (
    <div class="list-start first">
      <p class="list-title">
        <bdi>{title}</bdi>
      </p>
      <p>{isEmpty ? "No messages yet. Write the first one." : `This is where the ${place} begins.`}</p>
    </div>
  );
}

function chunksOf(messages: readonly Message[]): Message[][] {
  const chunks: Message[][] = [];
  let last: number | undefined;
  for (const message of messages) {
    const chunk = Math.floor(message.seq / CHUNK_SIZE);
    if (chunk === last) chunks.at(-1)?.push(message);
    else chunks.push([message]);
    last = chunk;
  }
  return chunks;
}

/** A `seq`, if it is one of a chunk's. */
function within(chunk: readonly Message[], seq: number | undefined): number | undefined {
  if (seq === undefined) return undefined;
  return seq >= (chunk[0]?.seq ?? 0) && seq <= (chunk.at(-1)?.seq ?? 0) ? seq : undefined;
}
