import type { Server } from "bun";

import type { Code } from "../chat/errors.ts";

/** Hono's environment in all of Parley's routes. */
export interface Env {
  Bindings: { server: Server<unknown> };
  Variables: {
    /** Why the request was refused, for the log. */
    code?: Code;
    /** The refusal is to be read by a page, which sees nothing of a failed upgrade but a close code. */
    refuseAfterUpgrade?: true;
  };
}
