import { useEffect, useState } from "preact/hooks";

import { type ErrorCode, ParleyError, type RoomInfo } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { explain } from "../ui/explain.ts";
import { titleOf } from "../ui/names.ts";
import { BackLink, RoomFrame, RoomTitle } from "./room-frame.tsx";

/** The most rooms that the server puts in one page. */
const MAX_PAGE_SIZE = 1_000;

/** In place of a room that the user is not in: why, and how they can join it, if they can. */
export function NoRoom({ id, reason }: { id: string; reason: ErrorCode }) {
  const { api, notifyOf } = useServices();
  const [info, setInfo] = useState<RoomInfo>();
  const [isJoining, setIsJoining] = useState(false);
  useEffect(() => {
    setInfo(undefined);
    let isCurrent = true;
    const find = async () => {
      const { items, next } = await api.listOpenRooms({ limit: MAX_PAGE_SIZE }).page();
      // Not at once: browsers log each 404 as an error.
      const found = items.find((room) => room.id === id) ?? (next === null ? undefined : await api.room(id));
      if (isCurrent) setInfo(found);
    };
    find().catch(() => undefined);
    return () => {
      isCurrent = false;
    };
  }, [id, reason]);
  const join = async () => {
    setIsJoining(true);
    // The room opens by itself when the server says that the user is a member.
    await api.joinRoom(id).catch(notifyOf("You could not join."));
    setIsJoining(false);
  };
  const text =
    reason === "forbidden" ? "You may not open this room now." : explain(new ParleyError(reason, ""));
  return (
    <RoomFrame class="empty-room">
      <BackLink />
      <div class="empty-text">
        {info ? (
          <>
            <RoomTitle>{titleOf(info)}</RoomTitle>
            <p>{reason === "room_not_found" ? "Everyone may join this room." : text}</p>
            <button type="button" class="button primary" disabled={isJoining} onClick={() => void join()}>
              Join
            </button>
          </>
        ) : (
          <div role="alert">
            <RoomTitle>{text}</RoomTitle>
          </div>
        )}
      </div>
    </RoomFrame>
  );
}
