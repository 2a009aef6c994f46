import { useState } from "preact/hooks";

import { ParleyError, type User } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { explain } from "../ui/explain.ts";
import { matchesUser, nameOf } from "../ui/names.ts";
import { directRoom } from "./direct-room.ts";
import { usePeople } from "./use-people.ts";

/** People that are shown at once. A filter finds the others. */
const MAX_SHOWN = 50;

/** Opens a direct conversation with somebody: of this user's rooms, or by their email. */
export function NewMessage({ onClose }: { onClose: () => void }) {
  const services = useServices();
  const people = usePeople();
  const [query, setQuery] = useState("");
  const [problem, setProblem] = useState<string>();
  const wanted = query.toLowerCase().trim();
  const found = people?.filter((user) => matchesUser(user, query));
  const shown: User[] = found?.slice(0, MAX_SHOWN) ?? [];
  if (/^\S+@\S+$/.test(wanted) && shown.every(({ email }) => email !== wanted))
    shown.push({ id: null, email: wanted, name: null });
  const open = async (user: User) => {
    setProblem(undefined);
    try {
      const room = await directRoom(services, user);
      onClose();
      services.navigation.navigate({ room });
    } catch (error) {
      const isUnknown = error instanceof ParleyError && error.code === "member_not_found";
      setProblem(
        isUnknown ? "Nobody in your rooms has this email. Invite them to a room first." : explain(error),
      );
    }
  };
  return (
    <Dialog title="New message" onClose={onClose} class="tall">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (wanted !== "" && shown[0]) void open(shown[0]);
        }}
      >
        <input
          type="search"
          class="search-box"
          aria-label="Name or email"
          placeholder="Name or email"
          autoComplete="off"
          data-focus
          value={query}
          onInput={({ currentTarget }) => setQuery(currentTarget.value)}
        />
      </form>
      {problem !== undefined && <p role="alert">{problem}</p>}
      <p class="hint" role="status">
        {!found && "Loading …"}
        {found && shown.length === 0 && "Nobody in your rooms has this name."}
      </p>
      <ul class="plain-list results">
        {shown.map((user) => (
          <li key={user.id ?? user.email}>
            <button type="button" class="result" onClick={() => void open(user)}>
              <Avatar user={user} />
              <span class="row-main">
                <bdi class="row-title">{nameOf(user)}</bdi>
                {user.email !== null && user.email !== nameOf(user) && <span class="hint">{user.email}</span>}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {found && found.length > MAX_SHOWN && <p class="hint">and {found.length - MAX_SHOWN} more</p>}
    </Dialog>
  );
}
