import type { Server } from "bun";

import type { Code } from "../chat/errors.ts";

/** Hono's environment in all of Parley's routes. */
export interface Env {
  Bindings: { server: Server<unknown> };
  Variables: {
    /** Why the request was refused, for the log. */
    code?: Code;
    /** Refuse with a close code after the upgrade: a page cannot read the status of a refused upgrade. */
    refuseAfterUpgrade?: true;
  };
}
