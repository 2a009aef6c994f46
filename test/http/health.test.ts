import { describe, expect, test } from "bun:test";

import { callApi } from "../support/api.ts";
import { RawConnection } from "../support/raw.ts";
import { useServer } from "../support/server.ts";

const server = useServer();

/** The status of the answer to a request by hand. */
async function statusOf(request: string): Promise<number> {
  const raw = await RawConnection.open(server.host);
  raw.write(request);
  const { status } = await raw.answer();
  raw.destroy();
  return status;
}

test("the server is alive, and ready while it has keys and storage", async () => {
  expect((await callApi(server, "GET /healthz")).body).toEqual({ status: "ok" });
  expect((await callApi(server, "GET /readyz")).body).toEqual({ status: "ready" });
});

test("without the issuer's keys the server is alive and not ready", async () => {
  await using parley = await server.startAnother({ env: { PARLEY_ISSUER: "http://127.0.0.1:9" } });
  const { status, body } = await callApi(parley, "GET /readyz");
  expect([status, body]).toEqual([503, { status: "not ready", reason: "signing keys" }]);
  expect((await callApi(parley, "GET /healthz")).status).toBe(200);
});

describe.each(["/healthz", "/readyz"])("%s", (path) => {
  test.each(["GET", "HEAD", "OPTIONS", "POST", "PUT"])(
    "answers %s, by HTTP/1.0 without a Host too",
    async (method) => {
      expect(await statusOf(`${method} ${path} HTTP/1.0\r\n\r\n`)).toBe(200);
      expect(await statusOf(`${method} ${path} HTTP/1.0\r\nhost: chat.example.com\r\n\r\n`)).toBe(200);
      expect(await statusOf(`${method} ${path} HTTP/1.1\r\nhost: chat.example.com\r\n\r\n`)).toBe(200);
    },
  );

  test("Bun refuses HTTP/1.1 without a Host (RFC 9112, section 3.2)", async () => {
    expect(await statusOf(`GET ${path} HTTP/1.1\r\n\r\n`)).toBe(400);
  });
});
