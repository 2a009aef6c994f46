import type { Question } from "../context.ts";
import { Dialog } from "./dialog.tsx";

interface Props {
  question: Question;
  onAnswer: (confirmed: boolean) => void;
}

/** Asks the user whether they mean it. */
export function Confirmation({ question: { title, text, action, isRisky = false }, onAnswer }: Props) {
  return (
    <Dialog title={title} onClose={() => onAnswer(false)} class="small">
      {text !== undefined && (
        <p class="confirm-text" dir="auto">
          {text}
        </p>
      )}
      <div class="dialog-buttons">
        <button
          type="button"
          class="button"
          data-focus={isRisky || undefined}
          onClick={() => onAnswer(false)}
        >
          Cancel
        </button>
        <button
          type="button"
          class="button danger"
          data-focus={!isRisky || undefined}
          onClick={() => onAnswer(true)}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}
