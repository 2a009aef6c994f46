import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Message, Room } from "../../client/index.ts";
import type { KnownUsers } from "../members/known-users.ts";

/** What the components of a room share. A new object only when something in it has changed. */
export interface RoomActions {
  room: Room;
  users: KnownUsers;
  /** Whether this user may delete the messages of others. */
  mayDeleteAny: boolean;
  /** Whether this user may send messages here. */
  mayPost: boolean;
  reply(message: Message): void;
  /** Starts to edit a message: with another text than its own, if an earlier attempt has failed. Ends it without a `seq`. */
  edit(seq?: number, text?: string): void;
  /** Deletes a message, if the user means it. */
  remove(message: Message): Promise<void>;
  jump(seq: number): void;
  /** Moves the focus to where messages are written. */
  focusComposer(): void;
}

export const RoomActionsContext = createContext<RoomActions | undefined>(undefined);

export function useRoomActions(): RoomActions {
  const actions = useContext(RoomActionsContext);
  if (!actions) throw new Error("There is no RoomActionsContext around this component.");
  return actions;
}
