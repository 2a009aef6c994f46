import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";

import { root, runProcess } from "../../support/process.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** The package as it would be published. */
interface PackedPackage {
  tarball: Uint8Array;
  /** What the build printed. */
  output: string;
}

let packed: Promise<PackedPackage> | undefined;

/** Builds the package `parley-chat`. Only once, because its types take ten seconds. */
const pack = (): Promise<PackedPackage> => (packed ??= build());

async function build(): Promise<PackedPackage> {
  // Not dist/client, because other test files may build the package at the same time.
  using folder = temporaryFolder();
  const target = join(folder.path, "client");
  const output = await run(["npm", "run", "build:client", target], folder.path);
  await run(["npm", "pack", target, "--pack-destination", folder.path], folder.path);
  const name = (await readdir(folder.path)).find((each) => each.endsWith(".tgz")) ?? "";
  return { tarball: await readFile(join(folder.path, name)), output };
}

/** Installs the package `parley-chat` in an application's folder. Returns what its build printed. */
export async function installPackage(application: string): Promise<string> {
  const { tarball, output } = await pack();
  await new Bun.Archive(tarball).extract(application);
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
