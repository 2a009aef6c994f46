import type { User } from "../../client/index.ts";
import { hueOf, initialsOf, nameOf } from "./names.ts";

/** The initials of a user in a color of their own. The name stands beside it, so screen readers skip it. */
export function Avatar({ user, online }: { user: User; online?: boolean }) {
  return (
    <span class={`avatar hue-${hueOf(user.id ?? user.email ?? "")}`} aria-hidden="true">
      {initialsOf(nameOf(user))}
      {online && <span class="online-dot" />}
    </span>
  );
}
