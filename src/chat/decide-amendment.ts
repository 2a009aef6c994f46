import type { Refused, Result } from "./errors.ts";
import type { Action, Actor, Change, Message, Reaction, Role } from "./model.ts";
import { can } from "./permissions.ts";
import { emojiKey } from "./validation.ts";

/** Different emoji on one message. */
const MAX_EMOJI_PER_MESSAGE = 20;
/** Reactions to one message, and UTF-16 units of their users' ids: every change to a message is sent with all of them. */
const MAX_REACTIONS_PER_MESSAGE = 1000;
const MAX_REACTION_IDS_LENGTH = 49_152;

/** An action that changes an existing message. */
export type Amendment = Extract<Action, { type: "edit" | "delete" | "react" }>;

/**
 * The change that an action makes to a message, with the old `rev`. Undefined when the message is already as wanted. Only
 * the sender may edit a message; the sender, moderators and owners may delete it; every member may react.
 */
export function amend(
  message: Message,
  action: Amendment,
  { actor, role, at }: { actor: Actor; role: Role | undefined; at: number },
): Result<Change> | undefined {
  const own = message.sender.key === actor.key;
  if (action.type === "delete") {
    if (!own && !can(actor, role, "delete_any_message")) return { refused: "not_moderator" };
    if (message.deletedAt !== null) return undefined;
    return { kind: "deleted", message: { ...message, text: null, meta: null, deletedAt: at, reactions: [] } };
  }
  if (action.type === "edit" && !own) return { refused: "not_sender" };
  if (message.deletedAt !== null) return { refused: "message_deleted" };
  if (action.type === "edit") {
    if (message.text === action.text) return undefined;
    return { kind: "edited", message: { ...message, text: action.text, editedAt: at } };
  }
  const reactions = react(message.reactions, action, actor.id ?? "");
  if (reactions === undefined || "refused" in reactions) return reactions;
  return { kind: "reacted", message: { ...message, reactions } };
}

/** The reactions after one was added or removed. Undefined when they are already as wanted. */
export function react(
  reactions: readonly Reaction[],
  { emoji, on }: { emoji: string; on: boolean },
  user: string,
): Reaction[] | Refused | undefined {
  const key = emojiKey(emoji);
  const existing = reactions.find((reaction) => emojiKey(reaction.emoji) === key);
  if ((existing?.by.includes(user) ?? false) === on) return undefined;
  if (on && isFull(reactions, existing, user)) return { refused: "too_many_reactions" };
  if (!existing) return [...reactions, { emoji, by: [user] }];
  return reactions
    .map((reaction) => {
      if (reaction !== existing) return reaction;
      const others = reaction.by.filter((other) => other !== user);
      return { ...reaction, by: on ? [...others, user] : others };
    })
    .filter(({ by }) => by.length > 0);
}

/** Whether one more reaction of this user would exceed a limit. */
function isFull(reactions: readonly Reaction[], existing: Reaction | undefined, user: string): boolean {
  if (!existing && reactions.length >= MAX_EMOJI_PER_MESSAGE) return true;
  const ids = reactions.flatMap(({ by }) => by);
  const length = ids.reduce((sum, id) => sum + id.length, user.length);
  return ids.length >= MAX_REACTIONS_PER_MESSAGE || length > MAX_REACTION_IDS_LENGTH;
}
