import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

import { useServices } from "../context.ts";
import type { EmojiPickerProps } from "./emoji-picker.tsx";

let loaded: ComponentType<EmojiPickerProps> | undefined;

/** The emoji picker, which is loaded when it is first opened. */
export function ReactionPicker(props: EmojiPickerProps) {
  const { notifyOf } = useServices();
  const [, setIsLoaded] = useState(loaded !== undefined);
  useEffect(() => {
    const load = async () => {
      loaded ??= (await import("./emoji-picker.tsx")).EmojiPicker;
      setIsLoaded(true);
    };
    load().catch(notifyOf("The emoji could not be loaded."));
  }, []);
  const Picker = loaded;
  return Picker ? <Picker {...props} /> : null;
}
