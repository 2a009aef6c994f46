import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Api } from "../client/api.ts";
import type { Chat } from "../client/index.ts";

/** What every component of the page may use. */
export interface Services {
  chat: Chat;
  api: Api;
}

export const ServicesContext = createContext<Services | undefined>(undefined);

export function useServices(): Services {
  const services = useContext(ServicesContext);
  if (!services) throw new Error("There is no ServicesContext around this component.");
  return services;
}
