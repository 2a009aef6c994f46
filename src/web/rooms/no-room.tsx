import { useEffect, useState } from "preact/hooks";

import { type ErrorCode, ParleyError, type RoomInfo } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { explain } from "../ui/explain.ts";
import { titleOf } from "../ui/names.ts";
import { BackLink, RoomFrame, RoomTitle } from "./room-frame.tsx";

/** In place of a room that the user is not in: why, and how they can join it, if they can. */
export function NoRoom({ id, reason }: { id: string; reason: ErrorCode }) {
  const { api, notifyOf } = useServices();
  const [info, setInfo] = useState<RoomInfo>();
  const [isJoining, setIsJoining] = useState(false);
  useEffect(() => {
    setInfo(undefined);
    let isCurrent = true;
    // An open room can be seen by everyone.
    api.room(id).then(
      (room) => isCurrent && setInfo(room),
      () => undefined,
    );
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
  const isOpen = info?.access === "open";
  const text =
    reason === "forbidden" ? "You may not open this room now." : explain(new ParleyError(reason, ""));
  return (
    <RoomFrame class="empty-room">
      <BackLink />
      <div class="empty-text">
        {isOpen ? (
          <>
            <RoomTitle>{titleOf(info)}</RoomTitle>
            <p>{reason === "room_not_found" ? "Everyone may join this room." : text}</p>
            <button type="button" class="button primary" disabled={isJoining} onClick={() => void join()}>
              Join
            </button>
          </>
        ) : (
          <p role="alert">{text}</p>
        )}
      </div>
    </RoomFrame>
  );
}
