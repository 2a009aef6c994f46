// What the page and its service worker tell each other.

/** What a notification is about. A push has it as its JSON. */
export interface NotificationPayload {
  /** Id of the room. */
  room: string;
  room_name: string;
  /** Whether this is a direct conversation. */
  direct: boolean;
  seq: number;
  sender: { id: string | null; name: string | null; email: string | null };
  text: string;
}

/** The page asks for a notification. */
export interface NotifyMessage {
  type: "notify";
  payload: NotificationPayload;
}

/** The service worker asks a page to show a message, whose notification was clicked. */
export interface OpenMessage {
  type: "open";
  room: string;
  seq: number;
}

/** A page holds the lock of this name (Web Locks API) while its user can see the room. `root` is the path of the page. */
export const nameOfShownRoom = (root: string, room: string) => `parley.shown:${root}:${room}`;
