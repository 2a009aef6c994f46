import * as v from "valibot";

import { version } from "../../../package.json";
import type { Code } from "../../chat/errors.ts";
import { annotate } from "../../protocol/annotate.ts";
import { problemSchema } from "../../protocol/responses.ts";
import { emojiSchema, roomIdSchema, seqParameterSchema } from "../../protocol/schemas.ts";
import { type JsonSchema, type JsonSchemas, toJsonSchemas } from "./json-schemas.ts";
import { messageOperations } from "./message-operations.ts";
import { moderationOperations } from "./moderation-operations.ts";
import type { Operation, OperationResponse, Operations } from "./operation.ts";
import { rateLimitHeaders, refusalResponse, refusalsOf } from "./refusals.ts";
import { roomOperations } from "./room-operations.ts";
import { serverOperations } from "./server-operations.ts";

/** Every route of the server, except for the WebSockets. */
export const operations: Operations = {
  ...serverOperations,
  ...roomOperations,
  ...moderationOperations,
  ...messageOperations,
};

/** Parameters of paths, by name. */
const pathParameters: Record<string, v.GenericSchema> = {
  room: roomIdSchema,
  who: annotate(v.string(), {
    description: "An email address or a user's id. Write `sub:` in front of an id with an @ or with spaces.",
    examples: ["user1@example.com"],
  }),
  seq: seqParameterSchema,
  emoji: emojiSchema,
  file: annotate(v.string(), "A file of the page."),
};

const DESCRIPTION = `The HTTP API of Parley, a self-hosted chat service. It shares its rooms and rules with the WebSockets, which
\`/asyncapi.json\` describes, and what happens here reaches them at once.

Every route but those of the server itself needs a token of a configured issuer. Bodies are JSON of up to 64 KiB, and of up to 512 KiB
where they list members. \`HEAD\` works like
\`GET\`, without the body. Responses to \`GET\` have a weak \`ETag\`; with \`If-None-Match\`, a version that the client has is answered
with 304. Every refusal is \`application/problem+json\` with a \`code\` of a closed list. Clients must ignore unknown keys: later versions
will add some.`;

/** Builds the OpenAPI 3.1 document. */
export function createOpenApi() {
  const converted = toJsonSchemas({ ...schemasOf(operations), problem: problemSchema });
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [route, operation] of Object.entries(operations)) {
    const [method = "", path = ""] = route.split(" ");
    const template = path.replaceAll(/:(\w+)/g, "{$1}");
    (paths[template] ??= {})[method.toLowerCase()] = operationObject(route, operation, converted);
  }
  return {
    openapi: "3.1.1",
    info: { title: "Parley", version, description: DESCRIPTION },
    // Relative to the document, which a proxy may serve under a path.
    servers: [{ url: ".", description: "This server." }],
    security: [{ bearer: [] }],
    tags: [
      { name: "Rooms", description: "Rooms and their settings." },
      { name: "Members", description: "Who is in a room, in which role." },
      { name: "Moderation", description: "Bans, mutes, and the audit list." },
      { name: "Messages", description: "Messages, reactions and read marks." },
      { name: "Search", description: "Full text of the rooms that the user is a member of." },
      { name: "Users", description: "The user of the token, and their session cookie." },
      { name: "Server", description: "Health, metrics and documents. They need no token." },
    ],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "A JWT of one of the configured issuers.",
        },
      },
      headers,
      responses: refusalComponents(operations),
      schemas: converted.components,
    },
  };
}

const text = (description: string, example: string) => ({ description, schema: { type: "string" }, example });
const headers = {
  ETag: { required: true, ...text("The version of the response, for `If-None-Match`.", 'W/"1x9fsdk"') },
  Location: { required: true, ...text("The path of what was created.", "/api/rooms/general") },
  "Retry-After": {
    required: true,
    description: "Seconds to wait before another attempt.",
    schema: { type: "integer", minimum: 1 },
    example: 1,
  },
  "WWW-Authenticate": { required: true, ...text("How to send the token.", "Bearer") },
  RateLimit: text(
    "How many requests are left, and in how many seconds all of them are back. Absent where there is no limit.",
    '"reads";r=299;t=1',
  ),
  "RateLimit-Policy": text(
    "How many requests are allowed at once. Absent where there is no limit.",
    '"reads";q=300',
  ),
};

const responseName = (id: string, status: string) => `${id} ${status}`;

/** The schemas of all operations, by names from which they are found again. */
function schemasOf(all: Operations): Record<string, v.GenericSchema> {
  const schemas: Record<string, v.GenericSchema> = { ...pathParameters };
  for (const { id, query, headers: sent = {}, body, responses } of Object.values(all)) {
    if (query) schemas[`${id} query`] = query;
    if (body) schemas[`${id} body`] = body;
    for (const [name, schema] of Object.entries(sent)) schemas[`${id} ${name}`] = schema;
    for (const [status, { schema }] of Object.entries(responses))
      if (schema) schemas[responseName(id, status)] = schema;
  }
  return schemas;
}

function operationObject(route: string, operation: Operation, { schemas, components }: JsonSchemas) {
  const { id, tag, summary, description, headers: sent = {}, body, responses, isPublic } = operation;
  const [method, path = ""] = route.split(" ");
  const { properties = {}, required = [] } = schemas[`${id} query`] ?? {};
  const hasEtag = method === "GET" && isTagged(path);
  const conditional = {
    description: "An `ETag` that the client has.",
    type: "string",
  } as const;
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => parameter("path", name, schemas[name], true)),
    ...Object.entries(properties).map(([name, schema]) =>
      parameter("query", name, schema as JsonSchema, required.includes(name)),
    ),
    ...Object.keys(sent).map((name) => parameter("header", name, schemas[`${id} ${name}`], false)),
    ...(hasEtag ? [parameter("header", "If-None-Match", conditional, false)] : []),
  ];
  const isLimited = path.startsWith("/api/") && !isPublic;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(isPublic && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        // An empty body is read as `{}`.
        required: !v.is(body, {}),
        content: { "application/json": { schema: schemas[`${id} body`] } },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(responses).map(([status, response]) => {
          const schema = schemas[responseName(id, status)];
          const header = {
            ...(hasEtag && status === "200" && { ETag: { $ref: "#/components/headers/ETag" } }),
            ...(response.hasLocation && { Location: { $ref: "#/components/headers/Location" } }),
            ...(isLimited && rateLimitHeaders),
          };
          return [status, responseObject(response, schema, components, header)];
        }),
      ),
      ...(hasEtag && {
        304: { description: "The client has this version.", headers: notModified(isLimited) },
      }),
      ...refusalReferences(refusalsOf(route, operation)),
    },
  };
}

/** Whether responses have an ETag: those of the API, and documents. */
const isTagged = (path: string) => /^\/(api|docs)\b|\.json$/.test(path);

const notModified = (isLimited: boolean) => ({
  ETag: { $ref: "#/components/headers/ETag" },
  ...(isLimited && rateLimitHeaders),
});

const refusalName = (status: number, codes: readonly Code[]) => `${status}.${codes.join(".")}`;

/** Refusals of all operations. Many of them are alike. */
function refusalComponents(all: Operations) {
  const refusals = Object.entries(all).flatMap(([route, operation]) =>
    refusalsOf(route, operation).entries().toArray(),
  );
  return Object.fromEntries(
    refusals.map(([status, codes]) => [refusalName(status, codes), refusalResponse(status, codes)]),
  );
}

const refusalReferences = (refusals: Map<number, Code[]>) =>
  Object.fromEntries(
    [...refusals].map(([status, codes]) => [
      status,
      { $ref: `#/components/responses/${refusalName(status, codes)}` },
    ]),
  );

function responseObject(
  { description, contentType = "application/json" }: OperationResponse,
  schema: JsonSchema | undefined,
  components: Record<string, JsonSchema>,
  header: object,
) {
  const named = components[schema?.$ref?.split("/").at(-1) ?? ""];
  const hasContent = schema !== undefined || contentType !== "application/json";
  return {
    description: description ?? named?.description ?? "Done.",
    ...(Object.keys(header).length > 0 && { headers: header }),
    ...(hasContent && { content: { [contentType]: { schema: schema ?? {} } } }),
  };
}

function parameter(
  place: "path" | "query" | "header",
  name: string,
  schema: JsonSchema = {},
  required: boolean,
) {
  const { description, ...rest } = schema;
  return {
    name,
    in: place,
    ...(required && { required }),
    ...(description !== undefined && { description }),
    schema: rest,
  };
}
