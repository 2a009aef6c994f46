import { createContext, type RefObject } from "preact";
import { useContext } from "preact/hooks";

import type { Api } from "../client/api.ts";
import type { Chat } from "../client/index.ts";
import type { Navigation } from "./route.ts";

/** What the user must answer before something that cannot be undone. */
export interface Question {
  title: string;
  text?: string;
  /** What the button says that confirms. */
  action: string;
  /** Gives the focus to the button that cancels, so that Enter alone does not confirm. */
  isRisky?: boolean;
}

/** What every component may use. The components do not know whether they are in the server's page or in another one. */
export interface Services {
  chat: Chat;
  api: Api;
  navigation: Navigation;
  /** What survives a reload. Its methods throw where it is full or forbidden. */
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** Whether this is one room in a page of somebody else's. It has no other rooms, no address, and no keys but its own. */
  isEmbedded: boolean;
  /** Where messages are written, if the user may write. */
  composer: RefObject<HTMLTextAreaElement | null>;
  /** Shows a sentence for a while, in a corner. */
  notify: (text: string) => void;
  /** Shows why something failed: `what` says what it was, such as "The message was not deleted." */
  notifyOf: (what: string) => (error: unknown) => void;
  /** Resolves with whether the user means it. */
  confirmAction: (question: Question) => Promise<boolean>;
}

export const ServicesContext = createContext<Services | undefined>(undefined);

export function useServices(): Services {
  const services = useContext(ServicesContext);
  if (!services) throw new Error("There is no ServicesContext around this component.");
  return services;
}
