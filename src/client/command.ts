import type { AckFrame } from "../protocol/frames.ts";
import type { Command } from "../protocol/schemas.ts";

/** Where a command was stored: `seq` of the message and `rev` of the room. */
export type Ack = Required<Pick<AckFrame, "seq" | "rev">>;

/** The types of the commands of a room that the server acknowledges. */
export type CommandType = "send" | "edit" | "delete" | "react" | "read";

/** JSON has no undefined fields. */
type WithUndefined<C> = { [K in keyof C]: object extends Pick<C, K> ? C[K] | undefined : C[K] };
type Without<C, K extends string> = C extends unknown ? WithUndefined<Omit<C, K>> : never;

/** A command without its `id`, which the connection assigns. */
export type CommandBody = Without<Command, "id">;

/** A command that is queued, without its `id` and its room. */
export type RoomCommandBody = Without<Extract<Command, { type: CommandType }>, "id" | "room">;
export type RoomCommand = RoomCommandBody & { room: string };

/** Whether the same command may succeed after this refusal. */
export function isRetryable(code: string): boolean {
  return /^(rate_limited|too_many_connections|\w+_unavailable|restarting)$/.test(code);
}

/** Metadata as the others get it. The application may change its own before it is sent, or sent again. */
export const copyOf = <T extends object>(meta: T | undefined) =>
  meta && (JSON.parse(JSON.stringify(meta)) as T);

/** A new `client_id`. Not from `crypto.randomUUID`, which pages served over plain http do not have. */
export const newClientId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
