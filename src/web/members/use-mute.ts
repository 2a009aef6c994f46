import type { Room } from "../../client/index.ts";
import { useNow, useStore } from "../ui/hooks.ts";
import { moment } from "../ui/times.ts";

const CHECK_INTERVAL_MS = 10_000;

/** A sentence that tells the user that they are muted. Undefined when they are not. */
export function useMute(room: Room): string | undefined {
  const mute = useStore(room, (current) => current.mute);
  const now = useNow(CHECK_INTERVAL_MS);
  if (!mute) return undefined;
  const { until } = mute;
  if (until === null) return "You are muted in this room.";
  return now < Date.parse(until) ? `You are muted in this room until ${moment(until)}.` : undefined;
}
