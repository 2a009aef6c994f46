import { labelled } from "../attachments.ts";
import { withEmoji } from "../emoji-names.ts";

/** Looks up what the ids in a text stand for. Returns undefined for an unknown id. */
export interface Names {
  user: (id: string) => string | undefined;
  channel: (id: string) => string | undefined;
}

const TOKENS = /<([^<>]+)>|&(?:amp|lt|gt);/g;

/**
 * The text that a reader of Slack sees. Mentions, links, entities and known emoji are written out; `*bold*`, `_italic_` and
 * `code` stay as they are. https://docs.slack.dev/messaging/formatting-message-text
 */
export function plainText(mrkdwn: string, names: Names): string {
  return withEmoji(mrkdwn).replace(TOKENS, (token: string, angle: string | undefined) =>
    angle === undefined ? unescape(token) : expand(angle, names),
  );
}

/** Expands what stands between angle brackets: a mention, or a link. */
function expand(token: string, names: Names): string {
  const bar = token.indexOf("|");
  const target = unescape(bar < 0 ? token : token.slice(0, bar));
  const label = unescape(bar < 0 ? "" : token.slice(bar + 1));
  if (target.startsWith("@"))
    return `@${names.user(target.slice(1)) ?? (label.replace(/^@/, "") || target.slice(1))}`;
  if (target.startsWith("#"))
    return `#${(names.channel(target.slice(1)) ?? label.replace(/^#/, "")) || target.slice(1)}`;
  if (target.startsWith("!")) return expandCommand(target.slice(1), label);
  return labelled(label, target);
}

/** Expands `<!here>`, `<!subteam^S1|@team>` and `<!date^1392734382^{date}|18 February>`. */
function expandCommand(command: string, label: string): string {
  const [kind = "", argument = ""] = command.split("^");
  if (kind === "date") return label || argument;
  if (kind === "subteam") return `@${label.replace(/^@/, "") || argument}`;
  return `@${kind}`;
}

const ENTITIES: Readonly<Record<string, string>> = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };

const unescape = (text: string) => text.replace(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity] ?? entity);
