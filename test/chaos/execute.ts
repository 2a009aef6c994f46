import { type Ack, ParleyError, type Room } from "../../src/client/index.ts";
import type { Command, Outcome } from "./history.ts";

/** Codes of commands that were dropped, perhaps after they were sent. Servers refuse with some of them, too. */
const UNKNOWN_OUTCOME = new Set(["closed", "removed", "left", "room_deleted", "room_not_found", "conflict"]);

/** Carries out a command, and resolves with its outcome. */
export async function execute(room: Room, command: Command): Promise<Outcome> {
  try {
    return { type: "acked", ...(await send(room, command)) };
  } catch (error) {
    if (!(error instanceof ParleyError)) throw error;
    return UNKNOWN_OUTCOME.has(error.code) ? { type: "unknown" } : { type: "refused", code: error.code };
  }
}

function send(room: Room, command: Command): Promise<Ack> {
  if (command.kind === "send") return room.send(command.text, command);
  if (command.kind === "edit") return room.edit(command.seq, command.text);
  if (command.kind === "react") return room.react(command.seq, command.emoji, command.on);
  if (command.kind === "read") return room.read(command.seq);
  return room.remove(command.seq);
}
