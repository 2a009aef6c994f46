import type { ReactionBody } from "../protocol/frames.ts";
import type { RoomCommand } from "./command.ts";
import type { Message } from "./messages.ts";

/** A message as it will be when a command is stored. `me` is the id of this user, `at` the time of the command. */
export function withCommand(message: Message, command: RoomCommand, me: string, at: string): Message {
  if (!("seq" in command) || command.seq !== message.seq || message.deleted_at !== undefined) return message;
  // Whom it will mention is not known.
  const { mentions: _, ...unmentioning } = message;
  if (command.type === "edit") return { ...unmentioning, text: command.text, edited_at: at };
  if (command.type === "delete") {
    const { meta: __, ...rest } = unmentioning;
    return { ...rest, text: "", reactions: [], deleted_at: at };
  }
  if (command.type === "read") return message;
  return { ...message, reactions: withReaction(message.reactions, command.emoji, me, command.on) };
}

function withReaction(
  reactions: readonly ReactionBody[],
  emoji: string,
  me: string,
  isOn: boolean,
): ReactionBody[] {
  const by = reactions.find((reaction) => reaction.emoji === emoji)?.by ?? [];
  if (by.includes(me) === isOn) return [...reactions];
  const changed = { emoji, by: isOn ? [...by, me] : by.filter((id) => id !== me) };
  const all = by.length > 0 ? reactions : [...reactions, changed];
  return all
    .map((reaction) => (reaction.emoji === emoji ? changed : reaction))
    .filter((reaction) => reaction.by.length > 0);
}
