import type { ChatError } from "../../chat/errors.ts";
import type { Change, Message } from "../../chat/model.ts";
import type { Description } from "./description.ts";
import { compileTemplate, type Template, TemplateError, VARIABLE, type Variables } from "./template.ts";
import {
  errorVariables,
  historyVariables,
  type MessageSubject,
  messageVariables,
  type NamedRoom,
} from "./variables.ts";

const DEFAULT_ITEM = { text: "$text", sender_email: "$sender_email" };
const DEFAULT_MESSAGE = { message: "$text" };
const DEFAULT_ERROR = { error: { code: "$code", message: "$reason" } };

/** A text of the greatest length, so many times in one frame, is still less than a slow reader may have waiting. */
const MAX_TEXTS = 2;

/** Encodes the frames that clients get. */
export interface ClassicFrames {
  /**
   * Encodes the last messages, without deleted ones. If the frame would exceed `maxBytes`, the oldest messages are left out, so
   * that it does not make a new connection a slow reader.
   */
  encodeHistory(messages: readonly Message[], room: NamedRoom, maxBytes: number): string;
  /** Undefined when clients are not told about such a change. */
  encodeChange(change: Change, room: NamedRoom): string | undefined;
  /**
   * Encodes what clients missed: `created` messages, which they have not got yet, and what has become of the others. A message
   * that has been deleted since was never shown, so there is nothing to announce.
   */
  encodeMissed(
    messages: readonly Message[],
    created: ReadonlySet<Message>,
    room: NamedRoom,
  ): (string | undefined)[];
  /** Encodes an error, for the sender of the refused frame. Undefined when clients are not told about errors. */
  encodeError(error: ChatError): string | undefined;
}

/** Compiles the templates of classic.json. Throws `TemplateError`. */
export function compileFrames(description: Description): ClassicFrames {
  const { history = {}, item = DEFAULT_ITEM, message = DEFAULT_MESSAGE } = description;
  const renderHistory = compile(history.frame ?? "$items", historyVariables, "history.frame");
  const renderItem = compile(item, messageVariables, "item");
  const renderMessage = compile(message, messageVariables, "message");
  const renderEdited = compileOptional(description.edited, messageVariables, "edited");
  const renderDeleted = compileOptional(description.deleted, messageVariables, "deleted");
  const renderError =
    description.error === null
      ? undefined
      : compile(description.error ?? DEFAULT_ERROR, errorVariables, "error");
  const newestFirst = history.order === "newest";

  return {
    encodeHistory(messages, room, maxBytes) {
      const shown = messages.filter(({ text }) => text !== null);
      const items = shown.map((each) => renderItem({ message: each, room }));
      const frameOf = (kept: readonly string[]) => {
        const ordered = newestFirst ? kept.toReversed() : kept;
        return renderHistory({ items: `[${ordered.join(",")}]`, room });
      };
      const frame = frameOf(items);
      // UTF-8 takes at most three bytes for each UTF-16 unit, so most frames need no counting.
      if (frame.length * 3 <= maxBytes) return frame;
      // The first item has no comma.
      let bytes = Buffer.byteLength(frameOf([])) - 1;
      const newestLeftOut = items.findLastIndex((each) => (bytes += Buffer.byteLength(each) + 1) > maxBytes);
      return newestLeftOut < 0 ? frame : frameOf(items.slice(newestLeftOut + 1));
    },
    encodeChange({ kind, message: changed }, room) {
      if (kind === "created") return renderMessage({ message: changed, room });
      if (kind === "edited") return renderEdited?.({ message: changed, room });
      return kind === "deleted" ? renderDeleted?.({ message: changed, room }) : undefined;
    },
    encodeMissed: (messages, created, room) =>
      messages.map((each) => {
        const subject = { message: each, room };
        if (created.has(each)) return each.text === null ? undefined : renderMessage(subject);
        if (each.deletedAt !== null) return renderDeleted?.(subject);
        return each.editedAt === null ? undefined : renderEdited?.(subject);
      }),
    encodeError: (error) => renderError?.(error),
  };
}

function compile<Subject>(json: unknown, variables: Variables<Subject>, place: string): Template<Subject> {
  const isFrame = typeof json === "string" ? VARIABLE.test(json) : typeof json === "object";
  if (!isFrame || json === null) {
    const found = JSON.stringify(json);
    throw new TemplateError(`${place}: must be a JSON object, array or variable; it is ${found}`);
  }
  if (countTexts(json) > MAX_TEXTS)
    throw new TemplateError(`${place}: "$text" may occur ${MAX_TEXTS} times at most`);
  return compileTemplate(json, variables, place);
}

/** How often `$text` occurs in a template. */
function countTexts(json: unknown): number {
  if (typeof json !== "object" || json === null) return json === "$text" ? 1 : 0;
  return Object.values(json).reduce<number>((count, child) => count + countTexts(child), 0);
}

function compileOptional(
  json: unknown,
  variables: Variables<MessageSubject>,
  place: string,
): Template<MessageSubject> | undefined {
  return json === undefined || json === null ? undefined : compile(json, variables, place);
}
