import type { Command } from "commander";

import { version } from "../../package.json";
import { type Environment, readConfig, unknownSettings } from "../config.ts";
import { startServer } from "../server.ts";
import { runServer } from "./run-server.ts";

export function addServeCommand(program: Command, environment: Environment): void {
  program
    .command("serve")
    .description("run the server; requires PARLEY_ISSUER and PARLEY_AUDIENCE")
    .action(async () => {
      const config = readConfig(environment);
      await runServer(config, async (log, output) => {
        const running = await startServer({ config, log });
        const unknown = unknownSettings(environment);
        if (unknown.length > 0) log.warn({ unknown }, "Unknown PARLEY_* settings, ignored");
        log.info({ url: running.url.href, version }, "listening");
        void output.flush();
        return running;
      });
    });
}
