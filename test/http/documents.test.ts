import { afterAll, describe, expect, test } from "bun:test";

import { Parser } from "@asyncapi/parser";
import addFormats from "ajv-formats";
import Ajv2020 from "ajv/dist/2020.js";

import { version } from "../../package.json";
import { codes } from "../../src/chat/errors.ts";
import { channels, createAsyncApi } from "../../src/http/documents/asyncapi.ts";
import { createOpenApi, operations } from "../../src/http/documents/openapi.ts";
import { errorCodes } from "../../src/protocol/error-codes.ts";
import { roomFrameSchemas, sessionFrameSchemas } from "../../src/protocol/frames.ts";
import { commandSchemas, roomCommandSchemas } from "../../src/protocol/schemas.ts";
import { checkFrame, checkResponse } from "../support/described.ts";
import { createHttpApp } from "../support/http-app.ts";

const http = createHttpApp();
afterAll(() => http[Symbol.asyncDispose]());

/** A document as it is served. */
const served = <T>(document: T) => JSON.parse(JSON.stringify(document)) as T & Record<string, never>;
const openApi = served(createOpenApi());
const asyncApi = served(createAsyncApi());

/** All objects of a document, and where they are. */
function* walk(value: unknown, path = "#"): Generator<[path: string, object: Record<string, unknown>]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield [path, value as Record<string, unknown>];
  for (const [key, child] of Object.entries(value))
    if (!["examples", "example", "const", "enum"].includes(key))
      yield* walk(child, `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`);
}

/** References that lead nowhere. */
function brokenReferences(document: unknown): string[] {
  const objects = [...walk(document)];
  const paths = new Set(objects.map(([path]) => path));
  const references = objects.flatMap(([, { $ref }]) => (typeof $ref === "string" ? [$ref] : []));
  expect(references.length).toBeGreaterThan(20);
  return references.filter((reference) => !paths.has(reference));
}

/** Schemas with examples that they do not allow. */
function wrongExamples(document: object): string[] {
  const ajv = new Ajv2020({ strict: false });
  addFormats(ajv);
  ajv.addSchema(document, "document");
  const wrong: string[] = [];
  let count = 0;
  for (const [path, { examples, example, schema, payload }] of walk(document)) {
    const [pointer, values] =
      schema || payload
        ? [`${path}/${schema ? "schema" : "payload"}`, examples ?? (example === undefined ? [] : [example])]
        : [path, examples ?? []];
    for (const each of values as unknown[]) {
      count++;
      const value = payload ? (each as { payload: unknown }).payload : each;
      const uri = pointer.slice(1).split("/").map(encodeURIComponent).join("/");
      const validate = ajv.compile({ $ref: `document#${uri}` });
      if (!validate(value)) wrong.push(`${pointer}: ${ajv.errorsText(validate.errors)}`);
    }
  }
  expect(count).toBeGreaterThan(5);
  return wrong;
}

describe("the OpenAPI document", () => {
  const entries = Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      route: `${method.toUpperCase()} ${path}`,
      path,
      operation: operation as {
        operationId: string;
        summary: string;
        parameters?: { in: string; name: string; required?: boolean; description?: string; schema: object }[];
        responses: Record<string, { $ref?: string; description?: string }>;
        security?: unknown[];
      },
    })),
  );

  test("has every route of the server, and no others", () => {
    // Middleware is registered for all methods, and so are the routes of probes.
    const routes = http.app.routes
      .filter(({ method, path }) => method !== "ALL" || path.endsWith("z"))
      .map(({ method, path }) => {
        const template = path.replace(/\/$/, "").replaceAll(/:(\w+)/g, "{$1}");
        return `${method === "ALL" ? "GET" : method} ${template}`;
      });
    expect(new Set(routes)).toEqual(new Set(entries.map(({ route }) => route)));
    expect(entries.length).toBeGreaterThan(25);
  });

  test("is of version 3.1, with names that are unique and references that lead somewhere", () => {
    expect(openApi).toMatchObject({ openapi: "3.1.1", info: { title: "Parley", version } });
    const ids = entries.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !/^[a-z][A-Za-z]+$/.test(id))).toEqual([]);
    expect(brokenReferences(openApi)).toEqual([]);
    const names = Object.values(openApi.components).flatMap((each) => Object.keys(each));
    expect(names.filter((name) => !/^[\w.-]+$/.test(name))).toEqual([]);
  });

  test("has schemas that are valid JSON Schema (draft 2020-12), and allow their examples", () => {
    const ajv = new Ajv2020({ strict: false });
    const schemas = [...walk(openApi)].flatMap(([path, { schema }]) =>
      schema ? [[path, schema] as const] : [],
    );
    expect(schemas.length).toBeGreaterThan(100);
    for (const [path, schema] of [...schemas, ...Object.entries(openApi.components.schemas)])
      expect([path, ajv.validateSchema(schema), ajv.errors]).toEqual([path, true, null]);
    expect(wrongExamples(openApi)).toEqual([]);
  });

  test("describes each operation, parameter and property in words", () => {
    for (const { operation } of entries) {
      expect(operation.summary).toMatch(/^[A-Z].*[^.]$/);
      for (const { description } of operation.parameters ?? []) expect(description).toMatch(/^.+\.$/s);
    }
    const wordless = [...walk(openApi.components.schemas)]
      .filter(([path, schema]) => /\/properties\/\w+$/.test(path) && !isObvious(schema))
      .map(([path]) => path);
    expect(wordless).toEqual([]);
  });

  test("declares the parameters of each path", () => {
    for (const { path, operation } of entries) {
      const declared = (operation.parameters ?? []).filter((each) => each.in === "path");
      expect(declared.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(declared.every(({ required, schema }) => required === true && "type" in schema)).toBe(true);
    }
  });

  test("says which routes need no token", async () => {
    for (const { route, operation } of entries) {
      const [method = "", path = ""] = route.split(" ");
      const url = path.replaceAll(/\{(\w+)\}/g, (_, name) => (name === "file" ? "start.js" : "1"));
      const { status } = await http.app.request(url, { method });
      expect([route, status === 401]).toEqual([route, operation.security === undefined]);
    }
  });

  test("has a closed list of codes for each status, which together are all codes of requests", () => {
    const responses = Object.values(openApi.components.responses);
    const listed = [...walk(responses)].flatMap(([path, { enum: values }]) =>
      path.endsWith("/code") ? (values as string[]) : [],
    );
    // Only connections are counted.
    const others = codes.filter((code) => !listed.includes(code));
    expect(others).toEqual(["too_many_connections"]);
    expect(Object.keys(errorCodes)).toEqual(expect.arrayContaining([...new Set(listed)]));
  });

  test("follows from the table of operations alone", () => {
    expect(entries.map(({ operation }) => operation.operationId).toSorted()).toEqual(
      Object.values(operations)
        .map(({ id }) => id)
        .toSorted(),
    );
  });
});

/** Whether a property needs no description: a reference, a constant, or one whose parts have their own. */
const isObvious = (schema: Record<string, unknown>) =>
  ["description", "$ref", "const", "anyOf", "items"].some((keyword) => keyword in schema);

const messageKeys = (commands: object, frames: object) =>
  [
    ...Object.keys(commands).map((type) => `command.${type}`),
    ...Object.keys(frames).map((type) => `frame.${type}`),
  ].toSorted();

describe("the AsyncAPI document", () => {
  test("passes the parser of AsyncAPI", async () => {
    const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApi));
    const found = diagnostics.map(({ code, message, path }) => `${code} ${path.join("/")}: ${message}`);
    // A note that there is a newer version.
    expect(found.filter((text) => !text.startsWith("asyncapi-latest-version"))).toEqual([]);
    expect(document?.version()).toBe("3.0.0");
  }, 60_000);

  test("has every command and every frame, and no others", () => {
    const keysOf = (channel: string) =>
      Object.keys(
        (asyncApi.channels as Record<string, { messages: object }>)[channel]?.messages ?? {},
      ).toSorted();
    expect(Object.keys(asyncApi.channels).toSorted()).toEqual(["classic", "room", "session"]);
    expect(keysOf("session")).toEqual(messageKeys(commandSchemas, sessionFrameSchemas));
    expect(keysOf("room")).toEqual(messageKeys(roomCommandSchemas, roomFrameSchemas));
    expect(keysOf("classic")).toEqual(["command.message", "frame.error", "frame.history", "frame.message"]);
  });

  test("has types that are those of the messages, examples that are allowed, and references that lead somewhere", () => {
    expect(brokenReferences(asyncApi)).toEqual([]);
    expect(wrongExamples(asyncApi)).toEqual([]);
    const messages = Object.values(served(asyncApi.components.messages)) as unknown as {
      name: string;
      payload: { properties?: { type?: { const?: string } } };
    }[];
    const types = messages.flatMap(({ name, payload }) => {
      const type = payload.properties?.type?.const;
      return type === undefined || type === name ? [] : [name];
    });
    expect(types).toEqual([]);
  });

  test("names every close code of the server with its reasons", () => {
    for (const channel of Object.values(asyncApi.channels) as unknown as {
      "x-close-codes": { code: number; reasons: string[] }[];
    }[]) {
      const pairs = channel["x-close-codes"].flatMap(({ code, reasons }) =>
        reasons.map((reason) => [reason, code]),
      );
      expect(Object.fromEntries(pairs)).toEqual(
        Object.fromEntries(Object.entries(errorCodes).map(([reason, { close }]) => [reason, close])),
      );
    }
    expect(Object.keys(channels)).toHaveLength(3);
  });
});

describe("the documents", () => {
  test.each([
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/docs/start.js",
    "/docs/page.css",
    "/docs/swagger-ui.css",
  ])("%s is served without a token, and once", async (path) => {
    const response = await http.app.request(path);
    const text = await response.text();
    checkResponse("GET", path, { status: response.status, headers: response.headers, text });
    expect(text.length).toBeGreaterThan(100);
    const etag = response.headers.get("etag") ?? "";
    expect(etag).toMatch(/^W\/"\w+"$/);
    const again = await http.app.request(path, { headers: { "if-none-match": etag } });
    expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
    const head = await http.app.request(path, { method: "HEAD" });
    expect([head.status, await head.text(), head.headers.get("etag")]).toEqual([200, "", etag]);
    const post = await http.app.request(path, { method: "POST" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(response.headers.get("content-security-policy")).toStartWith("default-src 'none'; ");
  });

  test("the page is found with a slash at the end, too", async () => {
    const response = await http.app.request("/docs/");
    expect([response.status, response.headers.get("location")]).toEqual([308, "../docs"]);
  });

  test.each(["swagger-ui-bundle.js.map", "__proto__", "..%2fpackage.json", "constructor"])(
    "there is no file %s of the page",
    async (name) => {
      const response = await http.app.request(`/docs/${name}`);
      expect(response.status).toBe(404);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    },
  );
});

const respond = (status: number, body: unknown, headers: Record<string, string> = { etag: 'W/"1"' }) => ({
  status,
  headers: new Headers({ "content-type": "application/json", ...headers }),
  text: JSON.stringify(body),
});

describe("the check of the test suite", () => {
  const user = { id: "a", email: null, name: null };
  const me = { ...user, admin: false };

  test("accepts a response that is as described", () => {
    expect(() => checkResponse("GET", "/api/me", respond(200, me))).not.toThrow();
  });
  test.each<[string, string, ReturnType<typeof respond>]>([
    ["a key that is not described", "GET /api/me", respond(200, { ...me, color: "red" })],
    ["a missing key", "GET /api/me", respond(200, user)],
    ["a value of another type", "GET /api/me", respond(200, { ...me, id: 1 })],
    ["a missing header", "GET /api/me", respond(200, me, {})],
    ["another status", "GET /api/me", respond(201, me)],
    ["another content type", "GET /api/me", respond(200, me, { etag: "x", "content-type": "text/html" })],
    ["a route that is not described", "GET /api/you", respond(200, me)],
    [
      "a code that is not of the status",
      "GET /api/me",
      respond(
        400,
        { type: "about:blank", title: "Bad Request", status: 400, code: "conflict", detail: "No." },
        { "content-type": "application/problem+json" },
      ),
    ],
  ])("refuses %s", (_, request, response) => {
    const [method = "", path = ""] = request.split(" ");
    expect(() => checkResponse(method, path, response)).toThrow(/openapi\.json|has no header|content type/);
  });

  const typing = { type: "typing", room: "general", user };
  test("accepts a frame that is as described", () => {
    expect(() => checkFrame("room", "frame", "typing", typing)).not.toThrow();
  });
  test.each([
    ["a key that is not described", "typing", { ...typing, color: "red" }],
    ["a key of a user that is not described", "typing", { ...typing, user: { ...user, color: "red" } }],
    ["a type that is not described", "whispering", { ...typing, type: "whispering" }],
    ["a frame of sessions on a room's URL", "left", { type: "left", room: "general", reason: "left" }],
  ])("refuses %s", (_, type, frame) => {
    expect(() => checkFrame("room", "frame", type, frame)).toThrow(/asyncapi\.json|not in the channel/);
  });
});
