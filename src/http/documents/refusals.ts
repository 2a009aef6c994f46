import { STATUS_CODES } from "node:http";

import type { Code } from "../../chat/errors.ts";
import { errorCodes } from "../../protocol/error-codes.ts";
import type { Operation } from "./operation.ts";

/** Every route that needs a token. */
const API_CODES: readonly Code[] = [
  "invalid_command",
  "unauthorized",
  "token_expired",
  "rate_limited",
  "storage_unavailable",
  "keys_unavailable",
];
/** Every route of the API. */
const PUBLIC_API_CODES: readonly Code[] = ["message_too_long", "restarting", "internal"];
/** Every route of a room. */
const ROOM_CODES: readonly Code[] = ["room_not_found", "room_deleted", "removed"];

/** The content type of the body is not JSON. */
const UNSUPPORTED_MEDIA_TYPE = 415;

/** The codes with which an operation may be refused, by status. */
export function refusalsOf(route: string, { body, codes = [], isPublic }: Operation): Map<number, Code[]> {
  const [, path = ""] = route.split(" ");
  const all = new Set<Code>([
    ...(isPublic ? [] : API_CODES),
    ...(path.startsWith("/api/") ? PUBLIC_API_CODES : []),
    ...(path.includes("/:room") ? ROOM_CODES : []),
    ...codes,
  ]);
  const byStatus = Map.groupBy(all, (code) => errorCodes[code].status as number);
  if (body) byStatus.set(UNSUPPORTED_MEDIA_TYPE, ["invalid_command"]);
  return new Map([...byStatus].toSorted(([one], [other]) => one - other));
}

/** A response with a problem of one of these codes. */
export function refusalResponse(status: number, codes: readonly Code[]) {
  const headers = {
    ...(status === 401 && { "WWW-Authenticate": { $ref: "#/components/headers/WWW-Authenticate" } }),
    ...((status === 429 || status === 503) && {
      "Retry-After": { $ref: "#/components/headers/Retry-After" },
    }),
    ...(status === 429 && rateLimitHeaders),
  };
  const schema = {
    allOf: [
      { $ref: "#/components/schemas/Problem" },
      { type: "object", properties: { status: { const: status }, code: { enum: codes } } },
    ],
  };
  // The schema's own example has another status.
  const example = {
    type: "about:blank",
    title: STATUS_CODES[status],
    status,
    code: codes[0],
    detail: "The reason in a sentence.",
  };
  return {
    description: `${STATUS_CODES[status]}: ${codes.map((code) => `\`${code}\``).join(", ")}.`,
    ...(Object.keys(headers).length > 0 && { headers }),
    content: { "application/problem+json": { schema, example } },
  };
}

/** Absent for administrators, who have no limit. */
export const rateLimitHeaders = {
  RateLimit: { $ref: "#/components/headers/RateLimit" },
  "RateLimit-Policy": { $ref: "#/components/headers/RateLimit-Policy" },
};
