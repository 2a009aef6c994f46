import type { Actor, Identity } from "../../chat/model.ts";
import type { Env } from "../env.ts";

/** The environment of the API's routes. The variables are set once the token is verified. */
export interface ApiEnv extends Env {
  Variables: Env["Variables"] & { identity: Identity; token: string; actor: Actor };
}
