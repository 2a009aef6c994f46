import type { Budgets } from "../../chat/budgets.ts";
import type { Actor, Identity } from "../../chat/model.ts";
import type { Env } from "../env.ts";

/** The environment of the API's routes. The variables are set once the token is verified. */
export interface ApiEnv extends Env {
  Variables: Env["Variables"] & {
    identity: Identity;
    token: string;
    actor: Actor;
    budgets: Budgets;
    request: RequestInProgress;
  };
}

/** A request that counts as under way. */
export interface RequestInProgress {
  /** Whether its response is still being sent when the handlers are done. */
  isStreamed: boolean;
  end(): void;
}
