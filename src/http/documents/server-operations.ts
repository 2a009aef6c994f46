import { endedSubscriptionSchema, pushSubscriptionSchema } from "../../protocol/push-requests.ts";
import {
  documentSchema,
  healthSchema,
  meSchema,
  pageConfigSchema,
  problemSchema,
  readinessSchema,
} from "../../protocol/responses.ts";
import { ownNameSchema } from "../../protocol/room-requests.ts";
import type { Operations } from "./operation.ts";

export const serverOperations: Operations = {
  "GET /api/me": {
    id: "getMe",
    tag: "Users",
    summary: "Get the user of the token",
    responses: { 200: { schema: meSchema } },
  },
  "PUT /api/me": {
    id: "setOwnName",
    tag: "Users",
    summary: "Name an administrator whose token has no name",
    description:
      "They are shown with it from their next request or connection on. `conflict`: the token has a name.",
    body: ownNameSchema,
    responses: { 200: { schema: meSchema } },
    codes: ["forbidden", "conflict"],
  },
  "POST /api/session": {
    id: "createSession",
    tag: "Users",
    summary: "Set the session cookie",
    description:
      "The cookie `parley_session` has the token, and lets a page connect with `new WebSocket(url)`. It expires with the token.",
    responses: { 204: { description: "The cookie is set." } },
  },
  "DELETE /api/session": {
    id: "deleteSession",
    tag: "Users",
    summary: "Remove the session cookie",
    responses: { 204: { description: "The cookie is removed." } },
    isPublic: true,
  },
  "PUT /api/push-subscription": {
    id: "subscribePush",
    tag: "Users",
    summary: "Notify the user in a browser by web push",
    description:
      "From then on, nobody else is notified in this browser. A user may have 10; the oldest is dropped. " +
      "A subscription is used for 30 days after it was last sent here. `forbidden`: web push is off.",
    body: pushSubscriptionSchema,
    responses: { 204: { description: "The user is notified in this browser." } },
    codes: ["forbidden"],
  },
  "DELETE /api/push-subscription": {
    id: "unsubscribePush",
    tag: "Users",
    summary: "End that",
    body: endedSubscriptionSchema,
    responses: { 204: { description: "The user is not notified in this browser, or not any more." } },
  },
  "GET /config.json": {
    id: "getConfig",
    tag: "Server",
    summary: "How users sign in, and the key for web push",
    description:
      "For the page of this server. The other front ends of a team may use it too, with client ids of their own.",
    responses: { 200: { description: "The issuer, and the client of the page.", schema: pageConfigSchema } },
    codes: ["keys_unavailable"],
    isPublic: true,
  },
  "GET /healthz": {
    id: "getHealth",
    tag: "Server",
    summary: "Whether the server answers",
    responses: { 200: { schema: healthSchema } },
    isPublic: true,
  },
  "GET /readyz": {
    id: "getReadiness",
    tag: "Server",
    summary: "Whether the server is ready for traffic",
    responses: {
      200: { schema: readinessSchema, description: "The server is ready." },
      503: { schema: readinessSchema, description: "The server is not ready." },
    },
    isPublic: true,
  },
  "GET /metrics": {
    id: "getMetrics",
    tag: "Server",
    summary: "Metrics for Prometheus",
    responses: {
      200: { description: "Metrics in the text format of Prometheus.", contentType: "text/plain" },
    },
    isPublic: true,
  },
  "GET /openapi.json": {
    id: "getOpenApi",
    tag: "Server",
    summary: "This document",
    responses: { 200: { description: "An OpenAPI 3.1 document.", schema: documentSchema } },
    isPublic: true,
  },
  "GET /asyncapi.json": {
    id: "getAsyncApi",
    tag: "Server",
    summary: "The description of the WebSockets",
    responses: { 200: { description: "An AsyncAPI 3.0 document.", schema: documentSchema } },
    isPublic: true,
  },
  "GET /docs": {
    id: "getDocs",
    tag: "Server",
    summary: "This document as a page",
    responses: { 200: { description: "A page for browsers.", contentType: "text/html" } },
    isPublic: true,
  },
  "GET /docs/:file": {
    id: "getDocsFile",
    tag: "Server",
    summary: "A file of that page",
    responses: {
      200: { description: "A script or a style sheet.", contentType: "*/*" },
      404: {
        description: "There is no such file.",
        schema: problemSchema,
        contentType: "application/problem+json",
      },
    },
    isPublic: true,
  },
};
