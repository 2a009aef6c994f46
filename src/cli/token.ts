import { type Command, InvalidArgumentError, Option } from "commander";

import { DevIssuer } from "../auth/dev-issuer.ts";
import type { Environment } from "../config.ts";
import { readDevConfig } from "./dev.ts";
import { Failure } from "./failure.ts";
import { print } from "./output.ts";

export function addTokenCommand(program: Command, environment: Environment): void {
  program
    .command("token")
    .description("print a token of the development issuer, for a server that `parley dev` runs")
    .argument("<email>", "the user's email")
    .addOption(
      new Option("--ttl <time>", "how long the token is valid, such as 90s, 15m, 1h or 7d")
        .argParser(parseDuration)
        .default(3600, "1h"),
    )
    .option("--admin", "let the user act in every room, as an administrator")
    .action(async (email: string, { ttl, admin = false }: { ttl: number; admin?: boolean }) => {
      const issuer = DevIssuer.open(readDevConfig(environment).database);
      if (!issuer) throw new Failure("There is no development issuer yet. Run `parley dev` once.");
      await print(await issuer.token(email, ttl, { admin }));
    });
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Returns seconds. */
function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (!unit) throw new InvalidArgumentError("Write 90s, 15m, 1h or 7d, for example.");
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
}
