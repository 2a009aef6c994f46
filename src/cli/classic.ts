import type { Command } from "commander";

import { readClassic } from "../classic-file.ts";
import { describeClassic } from "../protocol/classic/sample.ts";
import { print } from "./output.ts";

export function addClassicCommands(program: Command): void {
  const classic = program
    .command("classic")
    .description("work with a classic.json, which describes the server that Parley replaces");
  classic
    .command("check")
    .description("check a classic.json, and show the frames of a sample conversation")
    .argument("<file>", "the path of the file")
    .action(async (path: string) => {
      await print(describeClassic(readClassic(path)));
    });
}
