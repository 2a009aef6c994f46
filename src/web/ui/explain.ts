import { ParleyError } from "../../client/index.ts";
import { duration, moment } from "./times.ts";

const texts: Partial<Record<ParleyError["code"], string>> = {
  network: "The server does not respond.",
  rate_limited: "You are doing this too often.",
  message_too_long: "The message is too long.",
  message_not_found: "This message does not exist any more.",
  member_not_found: "There is no such member.",
  room_not_found: "There is no such room, or you are not a member of it.",
  room_deleted: "The room was deleted.",
  removed: "You are no longer a member of this room.",
  left: "You have left this room.",
  closed: "The connection was closed.",
  unauthorized: "You are signed out.",
  token_expired: "You are signed out.",
  storage_unavailable: "The server cannot store anything at the moment.",
  restarting: "The server is restarting.",
  too_many_pending: "Too many changes are waiting to be sent.",
  too_many_connections: "You have too many open tabs and devices.",
  internal: "Something went wrong on the server.",
};

/** Why something failed, in a sentence for the user. */
export function explain(error: unknown): string {
  if (!(error instanceof ParleyError)) return error instanceof Error ? error.message : String(error);
  const { code, message, until, retryAfterMs } = error;
  if (until !== undefined) return `You are muted in this room until ${moment(until)}.`;
  const text = texts[code] ?? message;
  if (code !== "rate_limited" || retryAfterMs === undefined) return text;
  return `${text} Try again in ${duration(Math.ceil(retryAfterMs / 1000))}.`;
}
