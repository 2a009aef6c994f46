import { expect, test } from "bun:test";

import { newEmail } from "../../support/api-users.ts";
import { callApi, expectProblem } from "../../support/api.ts";
import { useServer } from "../../support/server.ts";

const server = useServer({ env: { PARLEY_MESSAGE_RATE: "0.1", PARLEY_MESSAGE_BURST: "2" } });

const write = (token: string) => callApi(server, "POST /api/rooms", { token, body: { name: "x" } });
const read = (token: string) => callApi(server, "GET /api/rooms", { token });

test("a user who writes too much must wait, and may still read", async () => {
  const [token, other] = [await server.token(newEmail()), await server.token(newEmail())];
  expect([(await write(token)).status, (await write(token)).status]).toEqual([201, 201]);
  const refused = await write(token);
  expectProblem(refused, 429, "rate_limited");
  expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, 11);
  expect((await read(token)).status).toBe(200);
  expect((await write(other)).status).toBe(201);
});

test("a user may read ten times as much, then must wait, and may still write", async () => {
  const token = await server.token(newEmail());
  const statuses: number[] = [];
  while (statuses.length < 20) statuses.push((await read(token)).status);
  expect(new Set(statuses)).toEqual(new Set([200]));
  // Some of the budget has come back in the meantime.
  while ((await read(token)).status === 200) expect(statuses.push(200)).toBeLessThan(30);
  expectProblem(await read(token), 429, "rate_limited");
  expect((await write(token)).status).toBe(201);
});
