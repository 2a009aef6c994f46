import { useEffect, useState } from "preact/hooks";

import type { Room } from "../../client/index.ts";
import { useNow } from "../ui/hooks.ts";
import { moment } from "../ui/times.ts";

/** How long a mute without an end is assumed to last after the server has refused a message for it. */
const UNKNOWN_MUTE_MS = 60_000;
const CHECK_INTERVAL_MS = 10_000;

/** A sentence that tells the user that they are muted. Undefined when they are not, as far as that is known. */
export function useMute(room: Room): string | undefined {
  const [mute, setMute] = useState<{ until: string | undefined; at: number; text: string }>();
  const now = useNow(CHECK_INTERVAL_MS);
  useEffect(
    () =>
      room.subscribe((event) => {
        if (event.type === "failed" && event.error.code === "forbidden") {
          const { until, message } = event.error;
          if (until === undefined && !/mute/i.test(message)) return;
          const text = `You are muted in this room${until === undefined ? "" : ` until ${moment(until)}`}.`;
          setMute({ until, at: Date.now(), text });
        }
        if (event.type === "change" && event.kind === "created" && event.message.sender.id === room.me?.id)
          setMute(undefined);
      }),
    [room],
  );
  if (!mute) return undefined;
  const end = mute.until === undefined ? mute.at + UNKNOWN_MUTE_MS : Date.parse(mute.until);
  return now < end ? mute.text : undefined;
}
