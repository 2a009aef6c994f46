import { useEffect, useRef, useState } from "preact/hooks";

import type { Restriction } from "../../client/api.ts";
import type { Member, Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { useFocusReturn } from "../ui/focus.ts";
import { useMembers, useStore } from "../ui/hooks.ts";
import { IconButton } from "../ui/icons.tsx";
import { compareNames, matchesUser, nameOf } from "../ui/names.ts";
import { BanList } from "./ban-list.tsx";
import { Invite } from "./invite.tsx";
import { MemberDialog } from "./member-dialog.tsx";

/** Members that are shown at once. A filter finds the others. */
const MAX_SHOWN = 200;

/** Who is in a room, who of them is online, and what moderators can do about it. */
export function MembersPanel({ room, onClose }: { room: Room; onClose: () => void }) {
  const { api, navigation, notifyOf, confirmAction, isEmbedded } = useServices();
  const members = useMembers(room);
  const online = useStore(room, (current) => current.online);
  const role = useStore(room, (current) => current.role);
  const panel = useRef<HTMLElement>(null);
  const [filter, setFilter] = useState("");
  const [selected, setSelected] = useState<Member>();
  const [mutes, setMutes] = useState<readonly Restriction[]>([]);
  const isModerator = role === "owner" || role === "moderator" || role === null;
  const loadMutes = () => {
    if (isModerator)
      api
        .listMutes(room.id)
        .all()
        .then(setMutes, () => undefined);
  };
  useEffect(loadMutes, [room, isModerator]);
  useFocusReturn(panel, (element) => element.focus());
  const leave = async () => {
    const confirmed = await confirmAction({ title: `Leave ${room.name ?? "this room"}?`, action: "Leave" });
    if (!confirmed) return;
    try {
      await api.leaveRoom(room.id);
      navigation.navigate({});
    } catch (error) {
      notifyOf("You could not leave.")(error);
    }
  };
  /** Moderators manage members, owners manage everyone. */
  const mayManage = (member: Member) => isModerator && (role !== "moderator" || member.role === "member");
  const onlineIds = new Set(online.map(({ id }) => id));
  const found = members
    .filter((member) => matchesUser(member, filter))
    .toSorted((a, b) => Number(onlineIds.has(b.id)) - Number(onlineIds.has(a.id)) || compareNames(a, b));
  return (
    <aside
      ref={panel}
      class="panel"
      tabIndex={-1}
      aria-label="Members"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        onClose();
      }}
    >
      <header class="panel-head">
        <h2>Members</h2>
        <IconButton name="close" label="Close members" onClick={onClose} />
      </header>
      <div class="panel-body">
        <Invite room={room} mayInvite={isModerator} />
        {members.length > 10 && (
          <input
            type="search"
            class="search-box"
            aria-label="Filter members"
            placeholder="Filter members"
            value={filter}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          />
        )}
        <ul class="plain-list">
          {found.slice(0, MAX_SHOWN).map((member) => (
            <MemberRow
              key={member.id ?? member.email}
              member={member}
              isOnline={onlineIds.has(member.id)}
              isMe={member.id !== null && member.id === room.me?.id}
              mute={mutes.find(({ user }) => user.id === member.id && user.email === member.email)}
              mayManage={mayManage(member)}
              // In another page, members cannot be written to.
              onSelect={isEmbedded && !mayManage(member) ? undefined : () => setSelected(member)}
            />
          ))}
        </ul>
        {found.length > MAX_SHOWN && <p class="hint">and {found.length - MAX_SHOWN} more</p>}
        {isModerator && <BanList room={room} mayLift={role !== "moderator"} />}
        {role !== null && (
          <button type="button" class="button" onClick={() => void leave()}>
            Leave room
          </button>
        )}
      </div>
      {selected && (
        <MemberDialog
          room={room}
          member={selected}
          isMuted={mutes.some(({ user }) => user.id === selected.id && user.email === selected.email)}
          mayManage={mayManage(selected)}
          mayChangeRole={isModerator && role !== "moderator"}
          onClose={() => {
            setSelected(undefined);
            loadMutes();
          }}
        />
      )}
    </aside>
  );
}

interface RowProps {
  member: Member;
  isOnline: boolean;
  isMe: boolean;
  mute: Restriction | undefined;
  mayManage: boolean;
  onSelect: (() => void) | undefined;
}

function MemberRow({ member, isOnline, isMe, mute, mayManage, onSelect }: RowProps) {
  const details = [
    member.role !== "member" && member.role,
    mute && "muted",
    member.id === null && "invited",
  ].filter(Boolean);
  return (
    <li class="list-row">
      <Avatar user={member} online={isOnline} />
      <span class="row-main">
        <span class="row-title" dir="auto" title={member.email ?? undefined}>
          {nameOf(member)}
          {isMe && " (you)"}
          {isOnline && <span class="visually-hidden">, online</span>}
        </span>
        {details.length > 0 && <span class="hint">{details.join(" · ")}</span>}
      </span>
      {onSelect && !isMe && (
        <IconButton
          name="more"
          label={`${mayManage ? "Manage" : "About"} ${nameOf(member)}`}
          onClick={onSelect}
        />
      )}
    </li>
  );
}
