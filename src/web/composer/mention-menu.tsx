import { Avatar } from "../ui/avatar.tsx";
import type { Completion } from "./mention-query.ts";

interface Props {
  id: string;
  completions: readonly Completion[];
  selected: number;
  onPick: (completion: Completion) => void;
}

/** The members who can be mentioned. The focus stays in the text box, which handles the keys. */
export function MentionMenu({ id, completions, selected, onPick }: Props) {
  return (
    <ul id={id} class="mention-menu" role="listbox" aria-label="Mention">
      {completions.map((completion, index) => (
        <li
          key={completion.member?.id ?? completion.insert}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === selected}
          // The text box would lose the focus.
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onPick(completion)}
        >
          {completion.member ? (
            <>
              <Avatar user={completion.member} />
              <bdi>{completion.insert}</bdi>
              {completion.member.email !== completion.insert && (
                <span class="hint">{completion.member.email}</span>
              )}
            </>
          ) : (
            <>
              <span class="avatar everyone" aria-hidden="true">
                @
              </span>
              room <span class="hint">everyone in this room</span>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}
