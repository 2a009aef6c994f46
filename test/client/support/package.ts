import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";

import { root, runProcess } from "../../support/process.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** Builds the package `parley-chat` and installs it in an application's folder. Returns what the build printed. */
export async function installPackage(application: string): Promise<string> {
  // Not dist/client, because other test files build the package at the same time.
  using folder = temporaryFolder();
  const output = await run(["npm", "run", "build:client", folder.path], application);
  await run(["npm", "pack", folder.path, "--pack-destination", folder.path], application);
  const tarball = (await readdir(folder.path)).find((name) => name.endsWith(".tgz")) ?? "";
  await new Bun.Archive(await readFile(join(folder.path, tarball))).extract(application);
  const packages = join(application, "node_modules");
  await mkdir(packages);
  await rename(join(application, "package"), join(packages, "parley-chat"));
  return output;
}

async function run(command: string[], home: string): Promise<string> {
  // Without npm's notices, and its files in the application's folder.
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, npm_config_update_notifier: "false" };
  const { code, stdout, stderr } = await runProcess(command, { cwd: root, env });
  if (code !== 0) throw new Error(stdout + stderr);
  return stdout + stderr;
}
