import type { MessageBody } from "../../src/protocol/frames.ts";
import { type Acked, isAcked, isUnknown, ofKind, type Operation, type OperationOf } from "./history.ts";

/** What a message may look like after some operations. Several states are possible when an outcome is unknown. */
export interface MessageModel {
  /** Undefined when it may be deleted or not. */
  deleted: boolean | undefined;
  texts: (string | undefined)[];
  /** By `reactionKey`; undefined when it may be there or not. */
  reactions: Map<string, boolean | undefined>;
}

export function reactionKey(emoji: string, user: string): string {
  return `${emoji} ${user}`;
}

/**
 * Models the message that was sent with this text, after these operations on it. The last acked operation wins, unless one
 * is unknown, or was retried and may therefore have been applied once more after the last one (`rev` tells).
 */
export function modelMessage(
  sentText: string | undefined,
  operations: readonly Operation[],
  { rev }: MessageBody,
): MessageModel {
  const isPossible = (operation: Operation, last: Acked<Operation> | undefined) =>
    isUnknown(operation) || (operation.losses > 0 && rev > (last?.outcome.rev ?? 0));

  const deletions = ofKind(operations, "delete");
  const deleted = deletions.some(isAcked) || (deletions.some(isUnknown) ? undefined : false);

  const edits = ofKind(operations, "edit");
  const lastEdit = latest(edits);
  const otherTexts = edits.filter((edit) => isPossible(edit, lastEdit)).map(({ text }) => text);

  const reactions = new Map<string, boolean | undefined>();
  const byKey = Map.groupBy(ofKind(operations, "react"), ({ emoji, user }) => reactionKey(emoji, user));
  for (const [key, changes] of byKey) {
    const last = latest(changes);
    const on = last?.on ?? false;
    const open = changes.some(
      (change) => isUnknown(change) || (change.on !== on && isPossible(change, last)),
    );
    reactions.set(key, open ? undefined : on);
  }
  return { deleted, texts: [lastEdit?.text ?? sentText, ...otherTexts], reactions };
}

/** The acked operation with the highest `rev`; of those with the same, which had no effect, the last. */
function latest<T extends OperationOf<"edit"> | OperationOf<"react">>(
  operations: readonly T[],
): Acked<T> | undefined {
  let found: Acked<T> | undefined;
  for (const operation of operations)
    if (isAcked(operation) && (!found || operation.outcome.rev >= found.outcome.rev)) found = operation;
  return found;
}
