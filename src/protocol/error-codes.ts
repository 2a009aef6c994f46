import type { Code } from "../chat/errors.ts";

/** HTTP status and WebSocket close code of every error (RFC 6455, section 7.4). Codes from 4000 on are Parley's own. */
export const errorCodes = {
  invalid_message: { status: 400, close: 4400 },
  message_too_long: { status: 413, close: 1009 },
  invalid_command: { status: 400, close: 4400 },
  unauthorized: { status: 401, close: 4401 },
  token_expired: { status: 401, close: 4401 },
  forbidden: { status: 403, close: 4403 },
  removed: { status: 403, close: 4403 },
  room_not_found: { status: 404, close: 4404 },
  room_deleted: { status: 404, close: 4404 },
  message_not_found: { status: 404, close: 4404 },
  member_not_found: { status: 404, close: 4404 },
  conflict: { status: 409, close: 4400 },
  rate_limited: { status: 429, close: 4429 },
  too_many_connections: { status: 429, close: 4429 },
  storage_unavailable: { status: 503, close: 1013 },
  keys_unavailable: { status: 503, close: 1013 },
  restarting: { status: 503, close: 1012 },
  internal: { status: 500, close: 1011 },
} as const satisfies Record<Code, { status: number; close: number }>;

/** What a client should do after a close code: reconnect, reconnect with a new token, or stop. */
export function afterClose(code: number): "reconnect" | "renew" | "stop" {
  if (code === 4401) return "renew";
  return code === 4400 || code === 4403 || code === 4404 ? "stop" : "reconnect";
}
