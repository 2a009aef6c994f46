import type * as v from "valibot";

import { version } from "../../../package.json";
import { classicCommandSchema, classicFrameSchemas } from "../../protocol/classic/default-frames.ts";
import { afterClose, errorCodes } from "../../protocol/error-codes.ts";
import { roomFrameSchemas, sessionFrameSchemas } from "../../protocol/frames.ts";
import { commandSchemas, roomCommandSchemas, roomIdSchema } from "../../protocol/schemas.ts";
import { commandExamples, frameExamples } from "./examples.ts";
import { type JsonSchema, toJsonSchemas } from "./json-schemas.ts";

/** What is sent over one URL in one protocol. */
interface Channel {
  address: string;
  title: string;
  description: string;
  subprotocol: "chat.v2" | "classic";
  /** By type. */
  commands: Record<string, v.GenericSchema>;
  frames: Record<string, v.GenericSchema>;
  /** The types of frames that answer commands. */
  answers: readonly string[];
}

const ROOM_ADDRESS = "/ws/chat/{room}/";

/** The protocols of the server's URLs, by name. */
export const channels: Record<"session" | "room" | "classic", Channel> = {
  session: {
    address: "/ws/",
    title: "Session",
    description:
      "One connection for all of a user's rooms. It keeps the list of rooms up to date, and follows the rooms that the client opens.",
    subprotocol: "chat.v2",
    commands: commandSchemas,
    frames: sessionFrameSchemas,
    answers: ["ack", "error", "opened"],
  },
  room: {
    address: ROOM_ADDRESS,
    title: "Room",
    description: "A connection to one room, which is open from beginning to end.",
    subprotocol: "chat.v2",
    commands: roomCommandSchemas,
    frames: roomFrameSchemas,
    answers: ["ack", "error"],
  },
  classic: {
    address: ROOM_ADDRESS,
    title: "Room, for existing clients",
    description:
      "The protocol of the Django Channels server that Parley can replace. A classic.json changes its URLs and frames; these are the " +
      "defaults.",
    subprotocol: "classic",
    commands: { message: classicCommandSchema },
    frames: classicFrameSchemas,
    answers: ["error"],
  },
};

type Kind = "command" | "frame";

/** A message of the document, which several channels may share. */
interface Message {
  /** Its key among the components. */
  key: string;
  type: string;
  schema: v.GenericSchema;
  example: object | undefined;
}

/** The messages of all channels, each under its own key. */
function collectMessages(): Message[] {
  const messages = new Map<v.GenericSchema, Message>();
  const keys = new Set<string>();
  for (const [channel, { commands, frames }] of Object.entries(channels)) {
    const kinds: [Kind, Record<string, v.GenericSchema>][] = [
      ["command", commands],
      ["frame", frames],
    ];
    for (const [kind, schemas] of kinds) {
      for (const [type, schema] of Object.entries(schemas)) {
        if (messages.has(schema)) continue;
        const key = keys.has(`${kind}.${type}`) ? `${channel}.${kind}.${type}` : `${kind}.${type}`;
        keys.add(key);
        const examples = kind === "command" ? commandExamples : frameExamples;
        const example = channel === "classic" ? undefined : examples[type];
        messages.set(schema, { key, type, schema, example });
      }
    }
  }
  return [...messages.values()];
}

/** Builds the AsyncAPI 3.0 document. Its operations are the server's: it receives commands and sends frames. */
export function createAsyncApi() {
  const messages = collectMessages();
  const named = messages.map(({ key, schema }) => [key, schema] as const);
  const { schemas, components } = toJsonSchemas({ ...Object.fromEntries(named), room: roomIdSchema });
  const keyOf = (schema: v.GenericSchema) => messages.find((each) => each.schema === schema)?.key ?? "";
  const entries = Object.entries(channels);
  return {
    asyncapi: "3.0.0",
    info: { title: "Parley", version, description: DESCRIPTION },
    defaultContentType: "application/json",
    servers: {
      plain: server("ws", "The server itself."),
      tls: server("wss", "The server behind a proxy that terminates TLS."),
    },
    channels: Object.fromEntries(
      entries.map(([name, channel]) => [name, channelObject(channel, keyOf, schemas["room"] ?? {})]),
    ),
    operations: Object.fromEntries(entries.flatMap(([name, channel]) => operationObjects(name, channel))),
    components: {
      schemas: components,
      messages: Object.fromEntries(messages.map((each) => [each.key, messageObject(each, schemas)])),
      securitySchemes,
    },
  };
}

const DESCRIPTION =
  "The WebSockets of Parley, a self-hosted chat service. They share their rooms and rules with the HTTP API, which `/openapi.json` " +
  "describes. Frames are JSON in text frames. Clients must ignore frames with an unknown `type` and unknown keys: later versions " +
  "will add some.";

const securitySchemes = {
  header: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "For servers, native apps and command-line clients.",
  },
  subprotocol: {
    type: "httpApiKey",
    in: "header",
    name: "Sec-WebSocket-Protocol",
    description: 'For web pages: `new WebSocket(url, ["chat.v2", "bearer." + jwt])`.',
  },
  cookie: {
    type: "httpApiKey",
    in: "cookie",
    name: "parley_session",
    description: "Set by `POST /api/session`, for pages whose `new WebSocket(url)` should work unmodified.",
  },
};

function server(protocol: "ws" | "wss", description: string) {
  return {
    host: "{host}",
    protocol,
    description,
    variables: {
      host: { description: "The host, and the port if it is not the default.", default: "localhost" },
    },
    // One of them.
    security: Object.keys(securitySchemes).map((name) => ({ $ref: `#/components/securitySchemes/${name}` })),
  };
}

/** Close codes of the server, what they mean, and what a client does then. */
const closeCodes = Object.entries(
  Object.groupBy(Object.entries(errorCodes), ([, { close }]) => String(close)),
).map(([code, errors = []]) => ({
  code: Number(code),
  reasons: errors.map(([name]) => name),
  client: afterClose(Number(code)),
}));

const messageKey = (kind: Kind, type: string) => `${kind}.${type}`;

function channelObject(
  { address, title, description, subprotocol, commands, frames }: Channel,
  keyOf: (schema: v.GenericSchema) => string,
  roomId: JsonSchema,
) {
  const references = (kind: Kind, schemas: Record<string, v.GenericSchema>) =>
    Object.entries(schemas).map(([type, schema]) => [
      messageKey(kind, type),
      { $ref: `#/components/messages/${keyOf(schema)}` },
    ]);
  const resumes = subprotocol === "chat.v2" && address === ROOM_ADDRESS;
  const since = {
    type: "integer",
    minimum: 0,
    description: "The cursor of an earlier time: the first frame has what changed after it.",
  };
  return {
    address,
    title,
    description,
    messages: Object.fromEntries([...references("command", commands), ...references("frame", frames)]),
    ...(address === ROOM_ADDRESS && {
      parameters: { room: { description: roomId.description, examples: roomId.examples } },
    }),
    bindings: {
      ws: {
        method: "GET",
        headers: {
          type: "object",
          properties: {
            "Sec-WebSocket-Protocol": {
              type: "string",
              description: `Protocols, separated by commas: \`${subprotocol}\` and, in a web page, \`bearer.<jwt>\`.`,
              examples: [subprotocol],
            },
          },
        },
        ...(resumes && { query: { type: "object", properties: { since } } }),
        bindingVersion: "0.1.0",
      },
    },
    "x-close-codes": closeCodes,
  };
}

function operationObjects(name: string, { title, commands, frames, answers }: Channel): [string, object][] {
  const channel = { $ref: `#/channels/${name}` };
  const references = (kind: Kind, types: readonly string[]) =>
    types.map((type) => ({ $ref: `#/channels/${name}/messages/${messageKey(kind, type)}` }));
  return [
    [
      `${name}.receive`,
      {
        action: "receive",
        channel,
        title: `${title}: commands`,
        summary: "What clients send.",
        messages: references("command", Object.keys(commands)),
        reply: { channel, messages: references("frame", answers) },
      },
    ],
    [
      `${name}.send`,
      {
        action: "send",
        channel,
        title: `${title}: frames`,
        summary: "What the server sends.",
        messages: references("frame", Object.keys(frames)),
      },
    ],
  ];
}

function messageObject({ key, type, example }: Message, schemas: Record<string, JsonSchema>) {
  const { description, examples = example ? [example] : undefined, ...payload } = schemas[key] ?? {};
  return {
    name: type,
    title: type,
    ...(description !== undefined && { summary: description }),
    payload,
    ...(examples !== undefined && { examples: examples.map((each) => ({ payload: each })) }),
  };
}
