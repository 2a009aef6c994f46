import { useState } from "preact/hooks";

import type { Member, Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { explain } from "../ui/explain.ts";
import { nameOf, whoOf } from "../ui/names.ts";
import { textOf } from "../ui/submit.ts";
import { directRoom } from "./direct-room.ts";
import { DurationField, endOf } from "./durations.tsx";

interface Props {
  room: Room;
  member: Member;
  isMuted: boolean;
  /** Whether this user may mute, ban and remove this member. */
  mayManage: boolean;
  /** Whether this user may make members moderators and owners. */
  mayChangeRole: boolean;
  onClose: () => void;
}

const roleNames = { member: "Member", moderator: "Moderator", owner: "Owner" };
const roles = ["member", "moderator", "owner"] as const;

/** A member: a way to write to them, and what moderators and owners can do about them. */
export function MemberDialog({ room, member, isMuted, mayManage, mayChangeRole, onClose }: Props) {
  const services = useServices();
  const { api, navigation, isEmbedded } = services;
  const [problem, setProblem] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);
  const who = whoOf(member);
  const run = async (action: () => Promise<unknown>) => {
    setIsBusy(true);
    setProblem(undefined);
    try {
      await action();
      onClose();
    } catch (error) {
      setProblem(explain(error));
      setIsBusy(false);
    }
  };
  const write = async () => navigation.navigate({ room: await directRoom(services, member) });
  /** Mutes or bans the member with what the form says. */
  const restrict = (event: SubmitEvent, kind: "mute" | "ban") => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const fields = new FormData(event.currentTarget);
    const [until, reason] = [endOf(Number(textOf(fields, "duration"))), textOf(fields, "reason")];
    const restriction = { ...(until !== undefined && { until }), ...(reason !== "" && { reason }) };
    void run(() => api[kind](room.id, who, restriction));
  };
  return (
    <Dialog title={nameOf(member)} onClose={onClose} class="small">
      <div class="list-row">
        <Avatar user={member} />
        <span class="row-main hint">{member.email}</span>
        {!isEmbedded && (
          <button type="button" class="button" disabled={isBusy} onClick={() => void run(write)}>
            Message
          </button>
        )}
      </div>
      {problem !== undefined && <p role="alert">{problem}</p>}
      {mayManage && mayChangeRole && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const role = textOf(new FormData(event.currentTarget), "role");
            const chosen = roles.find((each) => each === role);
            void run(() => api.setMember(room.id, who, chosen));
          }}
        >
          <label class="field">
            <span>Role</span>
            <span class="field-row">
              <select name="role" data-focus>
                {roles.map((role) => (
                  <option key={role} value={role} selected={role === member.role}>
                    {roleNames[role]}
                  </option>
                ))}
              </select>
              <button type="submit" class="button" disabled={isBusy}>
                Change
              </button>
            </span>
          </label>
        </form>
      )}
      {mayManage && (
        <>
          {isMuted ? (
            <div class="field">
              <span>Muted: may read, but not write</span>
              <button type="button" class="button" onClick={() => void run(() => api.liftMute(room.id, who))}>
                Unmute
              </button>
            </div>
          ) : (
            <RestrictionForm
              title="Mute: let them read, but not write"
              action="Mute"
              isBusy={isBusy}
              onSubmit={(event) => restrict(event, "mute")}
            />
          )}
          <RestrictionForm
            title="Ban: remove them, and keep them out"
            action="Ban"
            isBusy={isBusy}
            onSubmit={(event) => restrict(event, "ban")}
          />
          <div class="dialog-buttons">
            <button
              type="button"
              class="button danger"
              disabled={isBusy}
              onClick={() => void run(() => api.removeMember(room.id, who))}
            >
              Remove from room
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}

function RestrictionForm(props: {
  title: string;
  action: string;
  isBusy: boolean;
  onSubmit: (event: SubmitEvent) => void;
}) {
  const { title, action, isBusy, onSubmit } = props;
  return (
    <form class="field" onSubmit={onSubmit}>
      <span>{title}</span>
      <input
        name="reason"
        maxLength={500}
        autoComplete="off"
        placeholder="Reason (optional)"
        aria-label="Reason"
      />
      <span class="field-row">
        <DurationField name="duration" />
        <button type="submit" class="button" disabled={isBusy}>
          {action}
        </button>
      </span>
    </form>
  );
}
