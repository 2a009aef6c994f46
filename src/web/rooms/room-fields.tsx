import type { RoomChange } from "../../client/api.ts";
import type { RoomInfo } from "../../client/index.ts";
import { textOf } from "../ui/submit.ts";
import { duration } from "../ui/times.ts";

type Settings = Pick<RoomInfo, "name" | "access" | "posting" | "slow_mode">;

/** Seconds between two messages of a member. */
const slowModes = [0, 5, 10, 30, 60, 300, 3600];

/** The fields of a room's settings, for a form. */
export function RoomFields({ room }: { room?: Settings }) {
  const slowMode = room?.slow_mode ?? 0;
  // Other clients may set any number.
  const choices = slowModes.includes(slowMode) ? slowModes : [...slowModes, slowMode];
  return (
    <>
      <label class="field">
        <span>Name</span>
        <input
          name="name"
          required
          maxLength={200}
          autoComplete="off"
          data-focus={!room}
          value={room?.name ?? ""}
        />
      </label>
      <label class="field">
        <span>Who may join</span>
        <select name="access">
          <option value="members" selected={room?.access !== "open"}>
            People who are invited
          </option>
          <option value="open" selected={room?.access === "open"}>
            Everyone who can sign in
          </option>
        </select>
      </label>
      <label class="field">
        <span>Who may write</span>
        <select name="posting">
          <option value="members" selected={room?.posting !== "moderators"}>
            All members
          </option>
          <option value="moderators" selected={room?.posting === "moderators"}>
            Moderators and owners
          </option>
        </select>
      </label>
      <label class="field">
        <span>Slow mode: time between two messages of a member</span>
        <select name="slow_mode">
          {choices.map((seconds) => (
            <option key={seconds} value={seconds} selected={seconds === slowMode}>
              {seconds === 0 ? "Off" : duration(seconds)}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

/** What `RoomFields` has been filled with. */
export function settingsOf(fields: FormData): RoomChange & { name: string } {
  return {
    name: textOf(fields, "name"),
    access: textOf(fields, "access") === "open" ? "open" : "members",
    posting: textOf(fields, "posting") === "moderators" ? "moderators" : "members",
    slow_mode: Number(textOf(fields, "slow_mode")),
  };
}
