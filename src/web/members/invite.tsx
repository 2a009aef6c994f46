import { useRef, useState } from "preact/hooks";

import type { Room } from "../../client/index.ts";
import { useServices } from "../context.ts";
import { urlOf } from "../route.ts";
import { useStore } from "../ui/hooks.ts";
import { textOf, useSubmit } from "../ui/submit.ts";

/** Invites people by email, and copies the link of the room. */
export function Invite({ room, mayInvite }: { room: Room; mayInvite: boolean }) {
  const { api, notify, isEmbedded } = useServices();
  const access = useStore(room, (current) => current.access);
  const [invited, setInvited] = useState<string>();
  const form = useRef<HTMLFormElement>(null);
  const { onSubmit, isBusy, problem } = useSubmit(async (fields) => {
    const email = textOf(fields, "email");
    setInvited(undefined);
    await api.setMember(room.id, email);
    setInvited(email);
    form.current?.reset();
  });
  const copy = async () => {
    const link = urlOf({ room: room.id });
    try {
      await navigator.clipboard.writeText(link);
      notify(access === "open" ? "The link was copied." : "The link was copied. It works for members.");
    } catch {
      // Browsers have no clipboard for pages over plain http.
      notify(`Copy this link: ${link}`);
    }
  };
  if (isEmbedded && !mayInvite) return null;
  return (
    <div class="invite">
      {mayInvite && (
        <form ref={form} onSubmit={onSubmit}>
          <label class="field">
            <span>Invite by email</span>
            <span class="field-row">
              <input type="email" name="email" required autoComplete="off" placeholder="name@example.com" />
              <button type="submit" class="button primary" disabled={isBusy}>
                Invite
              </button>
            </span>
          </label>
        </form>
      )}
      {problem !== undefined && <p role="alert">{problem}</p>}
      <p class="hint" role="status">
        {invited !== undefined && (
          <>
            <bdi>{invited}</bdi> is a member now.
            {!isEmbedded && " No email was sent: give them the link."}
          </>
        )}
      </p>
      {!isEmbedded && (
        <button type="button" class="button" onClick={() => void copy()}>
          Copy link to this room
        </button>
      )}
    </div>
  );
}
