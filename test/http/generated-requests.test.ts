import { afterAll, beforeAll, expect, test } from "bun:test";

import * as fc from "fast-check";

import type { JsonSchema } from "../../src/http/documents/json-schemas.ts";
import { createOpenApi } from "../../src/http/documents/openapi.ts";
import { checkRequestBody, checkResponse } from "../support/described.ts";
import { createHttpApp } from "../support/http-app.ts";

// Requests made from the OpenAPI document: valid ones, nearly valid ones and hostile ones. None may fail in the server, and each
// answer must be as the document describes it.

const REQUESTS = 4_000;

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  schema: JsonSchema;
}
interface DescribedOperation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { content: { "application/json": { schema: JsonSchema } } };
}

const document = JSON.parse(JSON.stringify(createOpenApi())) as {
  paths: Record<string, Record<string, DescribedOperation>>;
  components: { schemas: Record<string, JsonSchema> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

const http = createHttpApp({ roomsPerUser: 40, membersPerRoom: 20 });
/** Bun's server, as far as routes use it. */
const env = { server: { timeout: () => undefined } };
const users = ["ann", "bob", "cid", "admin.eve"];
const rooms = ["general", "team", "lobby"];

const send = (method: string, path: string, token: string, body?: unknown) =>
  http.app.request(
    path,
    {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    },
    env,
  );

beforeAll(async () => {
  for (const id of rooms) {
    await send("POST", "/api/rooms", "ann", { id, name: id });
    await send("PUT", `/api/rooms/${id}/members/bob@example.com`, "ann", {});
    for (let n = 1; n <= 20; n++)
      await send("POST", `/api/rooms/${id}/messages`, n % 2 ? "ann" : "bob", { text: `words and more ${n}` });
  }
  await http.index();
});
afterAll(() => http[Symbol.asyncDispose]());

/** Rooms that may be deleted: the others keep their messages. */
const disposable = fc.constantFrom("another", "other-room");

/** Values that are likely to meet something that exists, by the names of parameters and properties. */
const likely: Record<string, fc.Arbitrary<unknown>> = {
  room: fc.constantFrom(...rooms),
  id: fc.constantFrom(...rooms, "another", "other-room"),
  who: fc.constantFrom("ann", "bob@example.com", "cid@example.com", "new@example.com", "sub:a b"),
  seq: fc.integer({ min: 1, max: 25 }),
  reply_to: fc.constantFrom(1, 2, null, 99),
  emoji: fc.constantFrom("👍", ":tada:", "❤️"),
  q: fc.constantFrom("words", '"words and"', "mor*", "from:ann words"),
  from: fc.constantFrom("ann", "bob@example.com"),
  client_id: fc.constantFrom("a", "b", "c", null),
  "Idempotency-Key": fc.constantFrom("a", "b", "c"),
  cursor: fc.constantFrom("before-10", "after-3", "before-10-after-2", "1700000000000-general"),
  endpoint: fc.constantFrom(
    "https://push.example.com/1",
    "https://push.example.com/2",
    "https://example.com/",
  ),
  // Of RFC 8291, section 5. One is not on the curve.
  p256dh: fc.constantFrom(
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "B".repeat(87),
  ),
  auth: fc.constantFrom("BTBZMqHH6r4Tts7J_aSIgg", "A".repeat(22)),
  file: fc.constantFrom("start.js", "swagger-ui.css"),
  "If-None-Match": fc.constantFrom("*", 'W/"x"'),
};

const hostileTexts = fc.oneof(
  fc.constantFrom(
    ..."|. |\0|..|.|%|%ff|%00|a%2Fb|../../etc/passwd|'; DROP TABLE rooms; --|\"|\\|*|-1|0|1e3|NaN|0x10".split(
      "|",
    ),
    ...'__proto__|constructor|toString|null|undefined|true|[]|{}|٣|‮|💥|\u200b|\ufeff|a\nb|sub:|@|a@|@b|from:|"'.split(
      "|",
    ),
    ..."999999999999999|9999999999999999999999|before--1|after-x|-|1-|a.b.c".split("|"),
    "x".repeat(101),
    "€".repeat(6_000),
    "\ud800",
    "a\udc00b",
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const hostileValues = fc.oneof(
  hostileTexts,
  fc.constantFrom<unknown>(null, [], {}, -1, 0, 1.5, 1e300, 2 ** 53, true, { __proto__: null }, [[[[]]]]),
  fc.jsonValue({ maxDepth: 4 }),
);

/** Values that the schema allows, more or less. */
function valid(name: string, schema: JsonSchema): fc.Arbitrary<unknown> {
  const known = likely[name];
  const {
    $ref,
    enum: options,
    type,
    anyOf,
    properties = {},
    required = [],
    minimum = 0,
    maximum = 100,
  } = schema;
  if ($ref !== undefined) return valid(name, document.components.schemas[$ref.split("/").at(-1) ?? ""] ?? {});
  if (known) return known;
  if (options) return fc.constantFrom(...(options as unknown[]));
  if (anyOf) return fc.oneof(...(anyOf as JsonSchema[]).map((each) => valid(name, each)));
  switch (String(type)) {
    case "integer":
      return fc.integer({ min: minimum, max: Math.min(maximum, 1_000) });
    case "boolean":
      return fc.boolean();
    case "object":
      if (Object.keys(properties).length === 0) return fc.dictionary(fc.string(), fc.jsonValue());
      return fc.record(
        Object.fromEntries(
          Object.entries(properties).map(([key, each]) => [key, valid(key, each as JsonSchema)]),
        ),
        { requiredKeys: required },
      );
    case "array":
      return fc.array(valid(name, (schema.items as JsonSchema | undefined) ?? {}), { maxLength: 5 });
    case "null":
      return fc.constant(null);
    default:
      return fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
  }
}

const mostly = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>, weight = 15) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: rare });

/** A body as text. */
function bodyOf(schema: JsonSchema): fc.Arbitrary<string> {
  const usual = valid("", schema);
  const spoilt = fc
    .tuple(usual, fc.constantFrom(...Object.keys(propertiesOf(schema)), "extra"), hostileValues)
    .map(([body, key, value]) => Object.assign({}, body, { [key]: value }));
  return fc.oneof(
    { weight: 8, arbitrary: usual.map((body) => JSON.stringify(body)) },
    { weight: 3, arbitrary: spoilt.map((body) => JSON.stringify(body)) },
    { weight: 1, arbitrary: hostileValues.map((body) => JSON.stringify(body)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "",
        "{",
        '{"text":"\\ud800"}',
        "[".repeat(30_000),
        `{"name":"${"x".repeat(66_000)}"}`,
      ),
    },
  );
}

function propertiesOf({ $ref, properties = {} }: JsonSchema): object {
  return $ref === undefined
    ? properties
    : propertiesOf(document.components.schemas[$ref.split("/").at(-1) ?? ""] ?? {});
}

/** A path is sent as it is, so that what cannot be decoded is tried too. */
const encode = (value: unknown) => encodeURIComponent(String(value).toWellFormed());
const segment = (name: string, schema: JsonSchema, operation: string) =>
  mostly(
    (name === "room" && operation === "deleteRoom" ? disposable : valid(name, schema)).map(encode),
    fc.oneof(hostileTexts.map(encode), fc.constantFrom("%", "%ff", "%2e", "%c3")),
  );

/** Headers hold no other characters. */
const headerText = (value: unknown) =>
  String(value)
    .replaceAll(/[^\x20-\x7e]/g, "")
    .trim();

const requests = fc.constantFrom(...operations).chain(({ method, path, operation }) => {
  const { parameters = [], requestBody } = operation;
  const of = (place: Parameter["in"]) => parameters.filter((each) => each.in === place);
  const optional = of("query").filter(({ required }) => !required);
  const queryWith = (chosen: readonly Parameter[]) =>
    fc.record(
      Object.fromEntries(
        of("query")
          .filter((each) => each.required || chosen.includes(each))
          .map(({ name, schema }) => [name, mostly(valid(name, schema).map(String), hostileTexts)]),
      ),
    );
  // Most parameters cannot be combined with most others.
  const query = fc
    .oneof(fc.subarray(optional, { maxLength: Math.min(1, optional.length) }), fc.subarray(optional))
    .chain(queryWith);
  return fc.record({
    operation: fc.constant(operation.operationId),
    method: fc.constant(method),
    path: fc
      .record(
        Object.fromEntries(
          of("path").map(({ name, schema }) => [name, segment(name, schema, operation.operationId)]),
        ),
      )
      .map((values) => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "")),
    query: mostly(query, fc.dictionary(hostileTexts, hostileTexts, { maxKeys: 2 })),
    headers: fc.record(
      Object.fromEntries(
        of("header").map(({ name, schema }) => [
          name,
          mostly(valid(name, schema), hostileTexts).map(headerText),
        ]),
      ),
      { requiredKeys: [] },
    ),
    token: mostly(
      fc.constantFrom(...users, "ann", "ann"),
      fc.constantFrom("", "invalid", "expired", "a b", "dee"),
    ),
    contentType: mostly(
      fc.constant("application/json"),
      fc.constantFrom("text/plain", "", "application/xml"),
      20,
    ),
    body: requestBody ? bodyOf(requestBody.content["application/json"].schema) : fc.constant(undefined),
  });
});

test("requests made from the document never fail in the server, and are answered as it says", async () => {
  const statuses = new Map<string, Set<number>>();
  await fc.assert(
    fc.asyncProperty(
      requests,
      async ({ operation, method, path, query, headers, token, contentType, body }) => {
        const search = Object.entries(query)
          .map(([key, value]) => `${encode(key)}=${encode(value)}`)
          .join("&");
        const url = search === "" ? path : `${path}?${search}`;
        const response = await http.app.request(
          url,
          {
            method,
            headers: {
              ...headers,
              ...(token !== "" && { authorization: `Bearer ${token}` }),
              ...(body !== undefined && contentType !== "" && { "content-type": contentType }),
            },
            ...(body !== undefined && { body }),
          },
          env,
        );
        const { status } = response;
        statuses.set(operation, (statuses.get(operation) ?? new Set()).add(status));
        expect([status < 500, http.errors]).toEqual([true, []]);
        if (response.ok) checkRequestBody(method, url, body ?? "");
        checkResponse(method, url, { status, headers: response.headers, text: await response.text() });
      },
    ),
    // What has happened before matters, so a failure cannot be made smaller.
    { numRuns: REQUESTS, endOnFailure: true, verbose: fc.VerbosityLevel.Verbose },
  );
  // By chance, a few operations may never be done.
  const done = [...statuses.values()].filter((each) => [...each].some((status) => status < 300));
  expect(done.length).toBeGreaterThan(operations.length - 4);
  const refused = [...statuses.values()].filter((each) => [...each].some((status) => status >= 400));
  expect(refused.length).toBeGreaterThan(20);
}, 60_000);
