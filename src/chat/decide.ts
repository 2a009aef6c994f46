import type { Action, Actor, Change, Message, Reaction, Role } from "./model.ts";
import type { Refusal } from "./store.ts";

/** Different emoji on one message … */
const emojiLimit = 20;
/** … reactions in all … */
const reactionLimit = 1000;
/** … and characters of their users' ids: every change to a message is sent to everyone with all of its reactions. */
const idsLimit = 49_152;

/** What changes a message that is there. */
export type Amendment = Extract<Action, { type: "edit" | "delete" | "react" }>;

/** The change, as yet with the `rev` that the message had; undefined when the message is so already. */
type Amended = Change | undefined;

/**
 * What an action makes of a message: who may do what to it. Messages are edited by their senders, and deleted by them or
 * by moderators and owners; everyone reacts. An administrator may do all of it.
 */
export function amend(
  message: Message,
  action: Amendment,
  { actor, role, at }: { actor: Actor; role: Role | null; at: number },
): Amended | Refusal {
  const own = message.sender.key === actor.key || actor.admin;
  if (action.type === "delete") {
    if (!own && role !== "moderator" && role !== "owner") return "not_moderator";
    if (message.deletedAt !== null) return undefined;
    return { kind: "deleted", message: { ...message, text: null, deletedAt: at, reactions: [] } };
  }
  if (action.type === "edit" && !own) return "not_sender";
  if (message.deletedAt !== null) return "deleted";
  if (action.type === "edit") {
    if (message.text === action.text) return undefined;
    return { kind: "edited", message: { ...message, text: action.text, editedAt: at } };
  }
  const reactions = react(message.reactions, action, actor.id ?? "");
  if (reactions === undefined || typeof reactions === "string") return reactions;
  return { kind: "reacted", message: { ...message, reactions } };
}

function react(
  reactions: readonly Reaction[],
  { emoji, on }: { emoji: string; on: boolean },
  user: string,
): Reaction[] | undefined | "too_many_reactions" {
  const found = reactions.find((reaction) => reaction.emoji === emoji);
  if ((found?.by.includes(user) ?? false) === on) return undefined;
  if (on) {
    const ids = reactions.flatMap(({ by }) => by);
    const length = ids.reduce((sum, id) => sum + id.length, user.length);
    const many = ids.length >= reactionLimit || length > idsLimit;
    if (many || (!found && reactions.length >= emojiLimit)) return "too_many_reactions";
    if (!found) return [...reactions, { emoji, by: [user] }];
  }
  return reactions
    .map((reaction) => {
      if (reaction !== found) return reaction;
      const others = reaction.by.filter((other) => other !== user);
      return { emoji, by: on ? [...others, user] : others };
    })
    .filter(({ by }) => by.length > 0);
}
