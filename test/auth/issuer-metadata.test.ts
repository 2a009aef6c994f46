import { expect, test } from "bun:test";

import pino from "pino";

import { IssuerMetadata } from "../../src/auth/issuer-metadata.ts";
import { DISCOVERY_PATH, type FaultyIssuer, json, startFaultyIssuer } from "../support/faulty-issuer.ts";
import { waitUntil } from "../support/wait.ts";

function read(faulty: FaultyIssuer) {
  const logs: string[] = [];
  const clock = { ms: 0 };
  const metadata = new IssuerMetadata({
    issuer: faulty.issuer,
    log: pino({}, { write: (line) => void logs.push(line) }),
    monotonic: () => clock.ms,
  });
  return { metadata, logs, clock, loads: () => faulty.hits.get(DISCOVERY_PATH) ?? 0 };
}

const documentOf = ({ issuer }: FaultyIssuer) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks.json`,
});

test("the document is fetched once for many readers, and again after ten minutes", async () => {
  await using faulty = await startFaultyIssuer();
  const document = documentOf(faulty);
  faulty.handler = json(document);
  const { metadata, clock, loads } = read(faulty);
  const [first, second] = await Promise.all([metadata.read(), metadata.read()]);
  expect(first).toBe(second);
  const { jwks_uri: _, ...used } = document;
  expect(first).toEqual({ ...used, id_token_signing_alg_values_supported: ["RS256"] });
  clock.ms = 599_999;
  await metadata.read();
  expect(loads()).toBe(1);
  faulty.handler = json({ ...document, end_session_endpoint: `${faulty.issuer}/logout` });
  clock.ms = 600_000;
  expect(await metadata.read()).toBe(first);
  await waitUntil("the new one is used", async () => (await metadata.read()) !== first);
  expect(await metadata.read()).toMatchObject({ end_session_endpoint: `${faulty.issuer}/logout` });
  expect(loads()).toBe(2);
});

test("while the issuer is down it is asked every two seconds, and the last document stays in use", async () => {
  await using faulty = await startFaultyIssuer();
  const { metadata, clock, loads, logs } = read(faulty);
  const failure = expect.objectContaining({ code: "keys_unavailable" });
  expect(await metadata.read().catch((error: unknown) => error)).toEqual(failure);
  clock.ms = 1_999;
  expect(await metadata.read().catch((error: unknown) => error)).toEqual(failure);
  expect(loads()).toBe(1);
  faulty.handler = json(documentOf(faulty));
  clock.ms = 2_000;
  const document = await metadata.read();
  faulty.handler = (_, response) => void response.writeHead(500).end();
  clock.ms = 700_000;
  expect(await metadata.read()).toBe(document);
  await waitUntil("that is logged", () => logs.length === 2);
  expect(logs[1]).toContain("the last one stays in use");
  expect(loads()).toBe(3);
});

test("an issuer that hangs keeps nobody waiting who can have the last document", async () => {
  await using faulty = await startFaultyIssuer();
  faulty.handler = json(documentOf(faulty));
  const { metadata, clock, loads } = read(faulty);
  const document = await metadata.read();
  faulty.handler = () => undefined;
  clock.ms = 600_000;
  expect(await Promise.race([metadata.read(), Bun.sleep(2_000)])).toBe(document);
  await waitUntil("the issuer is asked", () => loads() === 2);
});

test.each([
  ["of another issuer", { issuer: "https://other.example.com" }, "is for another issuer"],
  ["with an endpoint that is not secure", { token_endpoint: "http://id.example.com/token" }, "must be https"],
  ["without an endpoint", { authorization_endpoint: undefined }, "authorization_endpoint"],
])("a document %s is not used", async (_, change, reason) => {
  await using faulty = await startFaultyIssuer();
  faulty.handler = json({ ...documentOf(faulty), ...change });
  const { metadata, logs } = read(faulty);
  expect(metadata.read()).rejects.toMatchObject({ code: "keys_unavailable" });
  await metadata.read().catch(() => undefined);
  expect(logs.join()).toContain(reason);
});
