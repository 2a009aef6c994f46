import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../support/process.ts";
import { useServer } from "../support/server.ts";

const server = useServer();

test("the requests of a back end in docs/protocol.md work, and may be repeated", async () => {
  const document = readFileSync(join(root, "docs/protocol.md"), "utf8");
  const requests = Array.from(
    document.matchAll(/^call (\w+) +"\$PARLEY(\/\S+)"(?: --json '(.*)')?(?: +#.*)?$/gm),
    ([, method = "", path = "", body]) => ({ method, path, body }),
  );
  expect(requests.length).toBe(10);
  const claims = { scope: "chat:admin" };
  const authorization = `Bearer ${await server.issuer.sign("backend@example.com", { claims })}`;
  const send = async () => {
    const statuses: number[] = [];
    for (const { method, path, body } of requests) {
      const init = { method, headers: { authorization }, ...(body !== undefined && { body }) };
      statuses.push((await fetch(`${server.url}${path}`, init)).status);
    }
    return statuses;
  };
  expect(await send()).toEqual([201, 200, 201, 201, 200, 200, 200, 201, 200, 200]);
  expect(await send()).toEqual([200, 200, 201, 200, 200, 200, 200, 200, 200, 200]);
  const headers = { authorization };
  const found = await (await fetch(`${server.url}/api/rooms/orders/messages`, { headers })).json();
  expect(found).toMatchObject({ messages: [{ seq: 1, meta: { order: 1042 } }], next: null });
});
