import { useEffect, useState } from "preact/hooks";

import type { RoomInfo } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { Dialog } from "../ui/dialog.tsx";
import { explain } from "../ui/explain.ts";
import { useStore } from "../ui/hooks.ts";
import { count, nameOrder } from "../ui/names.ts";

const MAX_ROOMS = 1_000;

/** The rooms that everyone may join. */
export function OpenRooms({ onClose }: { onClose: () => void }) {
  const { api, chat, navigation, notifyOf } = useServices();
  const [rooms, setRooms] = useState<RoomInfo[]>();
  const [problem, setProblem] = useState<string>();
  const [filter, setFilter] = useState("");
  useStore(chat, (current) => current.rooms);
  useEffect(() => {
    api
      .listOpenRooms({ limit: MAX_ROOMS })
      .page()
      .then(
        ({ items }) => setRooms(items.toSorted((a, b) => nameOrder.compare(a.name, b.name))),
        (error: unknown) => setProblem(explain(error)),
      );
  }, []);
  const join = async (id: string) => {
    try {
      if (!chat.room(id)) await api.joinRoom(id);
      onClose();
      navigation.navigate({ room: id });
    } catch (error) {
      notifyOf("You could not join.")(error);
    }
  };
  const shown = rooms?.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase().trim()));
  return (
    <Dialog title="Open rooms" onClose={onClose}>
      <input
        type="search"
        class="search-box"
        aria-label="Filter rooms"
        placeholder="Filter rooms"
        data-focus={false}
        value={filter}
        onInput={({ currentTarget }) => setFilter(currentTarget.value)}
      />
      {problem !== undefined && <p role="alert">{problem}</p>}
      {!rooms && problem === undefined && <p role="status">Loading …</p>}
      {shown?.length === 0 && <p class="hint">There is no open room{filter && " with this name"}.</p>}
      <ul class="plain-list">
        {shown?.map(({ id, name, seq }) => (
          <li key={id} class="list-row">
            <span class="row-main">
              <bdi class="row-title">{name}</bdi>
              <span class="hint">{seq === 0 ? "No messages yet" : count(seq, "message")}</span>
            </span>
            <button type="button" class="button small" onClick={() => void join(id)}>
              {chat.room(id) ? "Open" : "Join"}
              <span class="visually-hidden"> {name}</span>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
