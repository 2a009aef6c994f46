import type { Server } from "bun";

import type { Code } from "../chat/errors.ts";

/** A refusal with a close code. */
export interface UpgradeRefusal {
  /** The subprotocol that the answer names. */
  protocol: string | undefined;
  /** Undefined for a code that is refused with an HTTP status. */
  closeCode: (code: Code) => number | undefined;
}

/** Hono's environment in all of Parley's routes. */
export interface Env {
  Bindings: { server: Server<unknown> };
  Variables: {
    /** Why the request was refused, for the log. */
    code?: Code;
    /** How to refuse after the upgrade, since a page cannot read the status of a refused one. */
    refusal?: UpgradeRefusal;
  };
}
