import { joinParts, labelled } from "../attachments.ts";
import { emojiNamed } from "../emoji-names.ts";
import { type Names, plainText } from "./mrkdwn.ts";

/** Rich text is nested three deep: a list, its items, their words. */
const MAX_DEPTH = 8;

/**
 * The text of a message's blocks, for a message whose `text` is empty, as some applications send them.
 * https://docs.slack.dev/reference/block-kit/blocks
 */
export function blocksText(blocks: unknown, names: Names): string {
  return joinParts(listOf(blocks).map((block) => blockText(fieldsOf(block), names)));
}

type Fields = Readonly<Record<string, unknown>>;

function blockText(block: Fields, names: Names): string {
  switch (block["type"]) {
    case "header":
    case "section":
      return joinParts([block["text"], ...listOf(block["fields"])].map((text) => textObject(text, names)));
    case "context":
      return joinParts(listOf(block["elements"]).map((element) => textObject(element, names)));
    case "image":
      return labelled(textOf(block["alt_text"]), textOf(block["image_url"]));
    case "rich_text":
      return joinParts(listOf(block["elements"]).map((element) => richText(fieldsOf(element), names, 0)));
    default:
      return "";
  }
}

/** `{"type": "mrkdwn" | "plain_text", "text": …}`. */
function textObject(value: unknown, names: Names): string {
  const { type, text } = fieldsOf(value);
  return type === "plain_text" ? textOf(text) : plainText(textOf(text), names);
}

function richText(element: Fields, names: Names, depth: number): string {
  switch (element["type"]) {
    case "text":
      return textOf(element["text"]);
    case "link":
      return labelled(textOf(element["text"]), textOf(element["url"]));
    case "user":
      return `@${names.user(textOf(element["user_id"])) ?? textOf(element["user_id"])}`;
    case "usergroup":
      return `@${textOf(element["usergroup_id"])}`;
    case "channel":
      return `#${names.channel(textOf(element["channel_id"])) ?? textOf(element["channel_id"])}`;
    case "broadcast":
      return `@${textOf(element["range"])}`;
    case "emoji":
      return emojiNamed(textOf(element["name"])) ?? `:${textOf(element["name"])}:`;
    case "date":
      return textOf(element["fallback"]);
    default: {
      if (depth >= MAX_DEPTH) return "";
      const parts = listOf(element["elements"]).map((child) => richText(fieldsOf(child), names, depth + 1));
      return element["type"] === "rich_text_list"
        ? parts.map((part) => `• ${part}`).join("\n")
        : parts.join("");
    }
  }
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
