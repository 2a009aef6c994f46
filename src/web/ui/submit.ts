import { useRef, useState } from "preact/hooks";

import { explain } from "./explain.ts";

/**
 * A form that sends something to the server. `problem` says why it failed. While it is being sent, it is not sent again.
 */
export function useSubmit(send: (fields: FormData) => Promise<unknown>): {
  onSubmit: (event: SubmitEvent) => void;
  isBusy: boolean;
  problem: string | undefined;
} {
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const busy = useRef(false);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    if (busy.current || !(event.currentTarget instanceof HTMLFormElement)) return;
    const fields = new FormData(event.currentTarget);
    busy.current = true;
    setIsBusy(true);
    setProblem(undefined);
    send(fields)
      .catch((error: unknown) => setProblem(explain(error)))
      .finally(() => {
        busy.current = false;
        setIsBusy(false);
      });
  };
  return { onSubmit, isBusy, problem };
}

/** The trimmed text of a field. */
export function textOf(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value.trim() : "";
}
