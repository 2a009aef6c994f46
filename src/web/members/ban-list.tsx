import { useState } from "preact/hooks";

import type { Restriction } from "../../client/api.ts";
import type { Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { nameOf, whoOf } from "../ui/names.ts";
import { moment } from "../ui/times.ts";

/** Who is banned from a room. It is loaded when it is opened. */
export function BanList({ room, mayLift }: { room: Room; mayLift: boolean }) {
  const { api, notifyOf } = useServices();
  const [bans, setBans] = useState<readonly Restriction[]>();
  const load = () => {
    api.listBans(room.id).all().then(setBans, notifyOf("The bans could not be loaded."));
  };
  const lift = async (ban: Restriction) => {
    await api.liftBan(room.id, whoOf(ban.user)).catch(notifyOf("The ban was not lifted."));
    load();
  };
  return (
    <details
      class="bans"
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) load();
      }}
    >
      <summary>Banned</summary>
      {bans?.length === 0 && <p class="hint">Nobody is banned.</p>}
      <ul class="plain-list">
        {bans?.map((ban) => (
          <li key={ban.user.id ?? ban.user.email} class="list-row">
            <span class="row-main">
              <bdi class="row-title">{nameOf(ban.user)}</bdi>
              <span class="hint">
                {[ban.reason, ban.until === null ? "for good" : `until ${moment(ban.until)}`]
                  .filter(Boolean)
                  .join(" · ")}
              </span>
            </span>
            {mayLift && (
              <button type="button" class="button small" onClick={() => void lift(ban)}>
                Unban
                <span class="visually-hidden"> {nameOf(ban.user)}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
