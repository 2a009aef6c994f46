import type { ComponentChild } from "preact";
import { useRef, useState } from "preact/hooks";

import type { SearchResult } from "../client/api.ts";
import { useServices } from "./context.ts";
import { Avatar } from "./ui/avatar.tsx";
import { Dialog } from "./ui/dialog.tsx";
import { explain } from "./ui/explain.ts";
import { nameOf, titleOf } from "./ui/names.ts";
import { RoomLink } from "./ui/room-link.tsx";
import { exactTime, shortTime } from "./ui/times.ts";

const TYPING_DELAY_MS = 250;

interface Found {
  results: readonly SearchResult[];
  next: string | null;
}

/** Searches messages: of one room, or of all. A result leads to its message. */
export function Search({ room, onClose }: { room: string | undefined; onClose: () => void }) {
  const { api, chat, isEmbedded } = useServices();
  const [isRoomOnly, setIsRoomOnly] = useState(room !== undefined);
  const [found, setFound] = useState<Found>();
  const [problem, setProblem] = useState<string>();
  const query = useRef("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const run = useRef(0);

  const search = async (onlyRoom: boolean, before?: Found) => {
    const own = ++run.current;
    const q = query.current.trim();
    setProblem(undefined);
    if (q === "") return setFound(undefined);
    try {
      const list = api.search({ q, ...(onlyRoom && room !== undefined && { room }) });
      const results = [...(before?.results ?? [])];
      let next = before?.next ?? undefined;
      // A page may be empty although more follow.
      do {
        const page = await list.page(next);
        results.push(...page.items);
        next = page.next ?? undefined;
      } while (next !== undefined && results.length === (before?.results.length ?? 0) && own === run.current);
      if (own === run.current) setFound({ results, next: next ?? null });
    } catch (error) {
      if (own === run.current) setProblem(explain(error));
    }
  };
  const onInput = (text: string) => {
    query.current = text;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void search(isRoomOnly), TYPING_DELAY_MS);
  };
  return (
    <Dialog title="Search" onClose={onClose} class="tall">
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          void search(isRoomOnly);
        }}
      >
        <input
          type="search"
          class="search-box"
          aria-label="Search messages"
          placeholder={'Words, "a phrase", begin*, from:alice'}
          maxLength={500}
          data-focus
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
        />
        {room !== undefined && !isEmbedded && (
          <label class="check">
            <input
              type="checkbox"
              checked={isRoomOnly}
              onChange={({ currentTarget: { checked } }) => {
                setIsRoomOnly(checked);
                void search(checked);
              }}
            />
            <span>
              Only in <bdi>{titleOf(chat.room(room) ?? { id: room, name: "this room" })}</bdi>
            </span>
          </label>
        )}
      </form>
      {problem !== undefined && <p role="alert">{problem}</p>}
      <p class="hint" role="status">
        {found?.results.length === 0 && "Nothing was found."}
      </p>
      <ul class="plain-list results">
        {found?.results.map((result) => (
          <li key={`${result.room} ${result.message.seq}`}>
            <Result result={result} isRoomShown={!isRoomOnly} onOpen={onClose} />
          </li>
        ))}
      </ul>
      {found && found.next !== null && (
        <button type="button" class="button" onClick={() => void search(isRoomOnly, found)}>
          More results
        </button>
      )}
    </Dialog>
  );
}

function Result(props: { result: SearchResult; isRoomShown: boolean; onOpen: () => void }) {
  const { chat } = useServices();
  const { room, message, snippet } = props.result;
  const { sender, sent_at, seq } = message;
  const summary = chat.room(room);
  const direct = summary?.direct;
  return (
    <RoomLink class="result" to={{ room, seq }} onFollow={props.onOpen}>
      <Avatar user={sender} />
      <span class="row-main">
        <span class="message-head">
          <bdi class="sender">{nameOf(sender)}</bdi>
          {props.isRoomShown && (
            <span class="hint">
              {direct ? " to " : " in "}
              <bdi>{direct?.id === sender.id ? "you" : titleOf(summary ?? { id: room })}</bdi>
            </span>
          )}{" "}
          <time dateTime={sent_at} title={exactTime(sent_at)}>
            {shortTime(sent_at)}
          </time>
        </span>
        <span class="snippet" dir="auto">
          {marked(snippet)}
        </span>
      </span>
    </RoomLink>
  );
}

/** The snippet with its hits marked. */
function marked({ text, hits }: SearchResult["snippet"]): ComponentChild[] {
  const textOf = (from: number, to?: number) => text.slice(from, to).replaceAll("```", "");
  const nodes: ComponentChild[] = [];
  let end = 0;
  for (const [from = 0, to = 0] of hits) {
    nodes.push(textOf(end, from), <mark>{text.slice(from, to)}</mark>);
    end = to;
  }
  return [...nodes, textOf(end)];
}
