import { useEffect, useState } from "preact/hooks";

import { Dialog } from "./dialog.tsx";

interface Question {
  title: string;
  text?: string;
  /** What the button says that confirms. */
  action: string;
}

type Asked = Question & { answer: (confirmed: boolean) => void };

let ask: ((asked: Asked) => void) | undefined;

/** Asks the user before something that cannot be undone. Resolves with whether they mean it. */
export function confirmAction(question: Question): Promise<boolean> {
  return new Promise((answer) => {
    if (ask) ask({ ...question, answer });
    else answer(false);
  });
}

/** Shows the questions of `confirmAction`. */
export function Confirmations() {
  const [asked, setAsked] = useState<Asked>();
  useEffect(() => {
    ask = setAsked;
    return () => (ask = undefined);
  }, []);
  if (!asked) return null;
  const close = (confirmed: boolean) => {
    setAsked(undefined);
    asked.answer(confirmed);
  };
  return (
    <Dialog title={asked.title} onClose={() => close(false)} class="small">
      {asked.text !== undefined && (
        <p class="confirm-text" dir="auto">
          {asked.text}
        </p>
      )}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={() => close(false)}>
          Cancel
        </button>
        <button type="button" class="button danger" data-focus onClick={() => close(true)}>
          {asked.action}
        </button>
      </div>
    </Dialog>
  );
}
