import { Lexer, type MarkedOptions, type Token, Tokenizer, type Tokens } from "marked";

/** UTF-16 units. Longer texts are shown as they are: for some texts the time of the lexer is quadratic. */
const MAX_LENGTH = 8_000;
/** A line with more nested quotes and lists than people write. The lexer would recurse for each level. */
const DEEP_LINE = /^[ \t]*(?:>[ \t]*|(?:[-+*]|\d{1,9}[.)])[ \t]+){9}/m;

/** A place in a text that mentions somebody. */
export interface MentionToken extends Tokens.Generic {
  type: "mention";
  /** The name without the @, as it is written. */
  text: string;
}

/** Markdown without what a chat has no use for: headings, tables, images, rules, HTML, references, and code by indentation. */
class ChatTokenizer extends Tokenizer {
  override heading() {
    return undefined;
  }
  override lheading() {
    return undefined;
  }
  override hr() {
    return undefined;
  }
  override table() {
    return undefined;
  }
  override html() {
    return undefined;
  }
  override def() {
    return undefined;
  }
  override code() {
    return undefined;
  }
  override tag() {
    return undefined;
  }
  override reflink() {
    return undefined;
  }
}

/** Recognises mentions of these names, in lower case and longest first. */
function mentionsOf(names: readonly string[]): NonNullable<MarkedOptions["extensions"]> {
  const read = (src: string): MentionToken | undefined => {
    if (!src.startsWith("@")) return undefined;
    const name = names.find((each) => src.slice(1, each.length + 1).toLowerCase() === each);
    if (name === undefined || /^[\p{L}\p{N}_]/u.test(src.slice(name.length + 1))) return undefined;
    const raw = src.slice(0, name.length + 1);
    return { type: "mention", raw, text: raw.slice(1) };
  };
  return {
    inline: [read],
    startInline: [(src: string) => src.indexOf("@")],
    renderers: {},
    childTokens: {},
  };
}

/** The structure of a text. A text that is too long or too deep is one plain paragraph. */
export function parse(text: string, names: readonly string[] = []): Token[] {
  const plain: Token[] = [{ type: "text", raw: text, text }];
  if (text.length > MAX_LENGTH || DEEP_LINE.test(text)) return plain;
  const options: MarkedOptions = { gfm: true, breaks: true, tokenizer: new ChatTokenizer() };
  if (names.length > 0) options.extensions = mentionsOf(names);
  try {
    return new Lexer(options).lex(text);
  } catch {
    return plain;
  }
}

/** The address of a link if it may be followed: http, https or mailto. */
export function safeUrl(href: string): string | undefined {
  const url = URL.parse(href);
  return url && /^(https?|mailto):$/.test(url.protocol) ? url.href : undefined;
}

/** The host that a link leads to, if its text claims to be another address. */
export function otherHost(text: string, href: string): string | undefined {
  const claimed = URL.parse(/^[a-z]+:/i.test(text) ? text : `http://${text}`);
  const actual = URL.parse(href);
  const isAddress = claimed !== null && claimed.hostname.includes(".") && !/\s/.test(text.trim());
  return isAddress && actual && actual.hostname !== claimed.hostname ? actual.hostname : undefined;
}
