import addFormats from "ajv-formats";
import Ajv2020, { type ValidateFunction } from "ajv/dist/2020.js";

import { channels, createAsyncApi } from "../../src/http/documents/asyncapi.ts";
import { createOpenApi } from "../../src/http/documents/openapi.ts";

// Every response and frame that a test's clients get must be as the documents describe it.

/** The parts of the OpenAPI document that are looked at. */
interface Described {
  paths: Record<string, Record<string, DescribedOperation>>;
  components: {
    responses: Record<string, DescribedResponse>;
    headers: Record<string, { required?: boolean; schema: object }>;
  };
}
interface DescribedOperation {
  requestBody?: { required: boolean };
  responses: Record<string, DescribedResponse>;
}
interface DescribedResponse {
  $ref?: string;
  headers?: Record<string, { $ref: string }>;
  content?: Record<string, { schema: object }>;
}

/** A document as it is served. */
const served = (document: object) => JSON.parse(JSON.stringify(document)) as object;
const openApi = served(createOpenApi()) as Described;
const asyncApi = served(createAsyncApi());

const ajv = new Ajv2020({ strict: false, allErrors: false });
addFormats(ajv);
ajv.addSchema(closed(openApi), "openapi");
ajv.addSchema(closed(asyncApi), "asyncapi");
// Unknown keys in the bodies of requests are ignored.
ajv.addSchema(openApi, "requests");

/**
 * Clients must ignore unknown keys, so the documents allow them. In the tests they are not allowed: they are missing in the
 * documents.
 */
function closed<T>(schema: T, isPart = false): T {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map((each: unknown) => closed(each, isPart)) as T;
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] =>
    ["examples", "const", "enum"].includes(key) ? [key, value] : [key, closed(value, key === "allOf")],
  );
  const isObject = "type" in schema && schema.type === "object" && "properties" in schema;
  const isOpen = isObject && !isPart && !("additionalProperties" in schema);
  return Object.fromEntries([...entries, ...(isOpen ? [["additionalProperties", false]] : [])]) as T;
}

const validators = new Map<string, ValidateFunction>();

/** Throws unless the value is valid by the schema at this place of a document. */
function check(
  document: "openapi" | "asyncapi" | "requests",
  pointer: readonly string[],
  value: unknown,
  what: string,
): void {
  const path = pointer.map((key) => encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1")));
  const ref = `${document}#/${path.join("/")}`;
  let validate = validators.get(ref);
  if (!validate) validators.set(ref, (validate = ajv.compile({ $ref: ref })));
  if (validate(value)) return;
  throw new Error(
    `${what} is not as ${document}.json describes it: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`,
  );
}

const routes = Object.entries(openApi.paths).map(([template, operations]) => ({
  template,
  operations,
  pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+").replaceAll(".", String.raw`\.`)}$`),
}));

export interface ReceivedResponse {
  status: number;
  headers: Headers;
  text: string;
}

/** Throws unless openapi.json has this response to a request. `path` may have a query. */
export function checkResponse(method: string, path: string, response: ReceivedResponse): void {
  // CORS answers these.
  if (method === "OPTIONS") return;
  // As it is sent: without `..`.
  const { pathname } = new URL(path, "http://localhost");
  // It is redirected to the page without the slash.
  if (pathname === "/docs/") return;
  const what = `${method} ${path} → ${response.status}`;
  const { template, operations } = routes.find(({ pattern }) => pattern.test(pathname)) ?? {};
  const verb = method === "HEAD" ? "get" : method.toLowerCase();
  const described = operations?.[verb]?.responses[response.status];
  if (template === undefined || !operations?.[verb]) {
    // There is no such route, or no such method: or it was not even looked for.
    if (response.status < 400) throw new Error(`${what} is not in openapi.json`);
    if (response.text !== "")
      check("openapi", ["components", "schemas", "Problem"], JSON.parse(response.text), what);
    return;
  }
  if (!described) throw new Error(`${what} is not in openapi.json: ${response.text}`);
  const component = described.$ref?.split("/").at(-1);
  const pointer =
    component === undefined
      ? ["paths", template, verb, "responses", String(response.status)]
      : ["components", "responses", component];
  const { headers = {}, content } =
    component === undefined ? described : (openApi.components.responses[component] ?? {});
  for (const [name, { $ref }] of Object.entries(headers)) checkHeader(name, $ref, response, what);
  if (method === "HEAD") return;
  if (!content) {
    if (response.text !== "") throw new Error(`${what} has a body: ${response.text}`);
    return;
  }
  const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
  const describedType = content[type] ? type : "*/*";
  if (!content[describedType]) throw new Error(`${what} has the content type ${type}`);
  if (!type.includes("json")) return;
  check("openapi", [...pointer, "content", describedType, "schema"], JSON.parse(response.text), what);
}

/** Throws unless openapi.json allows a body that the server has accepted. */
export function checkRequestBody(method: string, path: string, body: string): void {
  const { pathname } = new URL(path, "http://localhost");
  const { template = "" } = routes.find(({ pattern }) => pattern.test(pathname)) ?? {};
  const verb = method.toLowerCase();
  const described = openApi.paths[template]?.[verb]?.requestBody;
  if (!described || (body === "" && !described.required)) return;
  const pointer = ["paths", template, verb, "requestBody", "content", "application/json", "schema"];
  check("requests", pointer, JSON.parse(body), `${method} ${path} was accepted, and its body`);
}

function checkHeader(name: string, ref: string, { headers }: ReceivedResponse, what: string): void {
  const key = ref.split("/").at(-1) ?? "";
  const value = headers.get(name);
  const { required = false, schema } = openApi.components.headers[key] ?? { schema: {} };
  if (value === null && required) throw new Error(`${what} has no header ${name}`);
  if (value === null) return;
  const isNumber = "type" in schema && schema.type === "integer";
  check(
    "openapi",
    ["components", "headers", key, "schema"],
    isNumber ? Number(value) : value,
    `${name} of ${what}`,
  );
}

export type ChannelName = keyof typeof channels;

/** The messages of a channel, by their keys. */
const messages = (asyncApi as { channels: Record<string, { messages: Record<string, { $ref: string }> }> })
  .channels;

/** Throws unless asyncapi.json has this frame of the server, or command, in the channel. */
export function checkFrame(
  channel: ChannelName,
  kind: "frame" | "command",
  type: string,
  frame: unknown,
): void {
  const { $ref } = messages[channel]?.messages[`${kind}.${type}`] ?? {};
  if ($ref === undefined)
    throw new Error(`${kind}.${type} is not in the channel ${channel}: ${JSON.stringify(frame)}`);
  const key = $ref.split("/").at(-1) ?? "";
  check("asyncapi", ["components", "messages", key, "payload"], frame, `${kind}.${type}`);
}

/** The type of a frame in `classic`. */
export function classicTypeOf(frame: object): string {
  if (Array.isArray(frame)) return "history";
  return "error" in frame ? "error" : "message";
}
