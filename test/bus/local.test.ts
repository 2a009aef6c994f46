import { expect, test } from "bun:test";

import { localBus } from "../../src/bus/local.ts";
import type { Hint } from "../../src/chat/bus.ts";
import { waitUntil } from "../support/wait.ts";

test("a listener that throws keeps nobody else from hearing, nor the publisher from going on", () => {
  const failures: unknown[] = [];
  const heard: Hint[] = [];
  const bus = localBus(
    () => 0,
    (error) => void failures.push(error),
  );
  bus.subscribe(() => {
    throw new Error("broken");
  });
  bus.subscribe((hint) => void heard.push(hint));
  bus.publish({ kind: "roster", room: 7 });
  bus.close();
  expect(heard).toEqual([{ kind: "roster", room: 7 }]);
  expect(failures).toEqual([new Error("broken")]);
});

test("when another process has written, everyone hears that anything may have changed; a failure is told once", async () => {
  const failures: unknown[] = [];
  const heard: Hint[] = [];
  const file = { version: 1, locked: false, looks: 0 };
  const look = () => {
    file.looks++;
    if (file.locked) throw new Error("locked");
    return file.version;
  };
  const bus = localBus(look, (error) => void failures.push(error));
  bus.subscribe((hint) => void heard.push(hint));
  file.locked = true;
  await waitUntil("it has looked twice more", () => file.looks >= 3);
  expect([heard, failures.length]).toEqual([[], 1]);
  file.locked = false;
  file.version = 2;
  await waitUntil("it is heard", () => heard.length > 0);
  bus.close();
  expect(heard).toEqual([{ kind: "anything" }]);
});
