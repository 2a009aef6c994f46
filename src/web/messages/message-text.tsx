import type { Token, Tokens } from "marked";
import type { ComponentChild, ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";

import { otherHost, parse, safeUrl } from "./markdown.ts";

/** How deeply elements may be nested. Deeper ones are shown as they were written. */
const MAX_DEPTH = 12;
/** Up to three emoji, and nothing else, are shown in a larger size. */
const FEW_EMOJI = /^(?:\p{RGI_Emoji}\s*){1,3}$/v;

/** Shows the text of a message: Markdown as elements, never as HTML. */
export function MessageText(props: {
  text: string;
  /** Names that it mentions, in lower case and longest first. */
  names?: readonly string[] | undefined;
  /** What follows the text. */
  children?: ComponentChildren;
}) {
  const { text, names, children } = props;
  const nodes = useMemo(() => blocks(parse(text, names), 0), [text, names]);
  return (
    <div class={FEW_EMOJI.test(text) ? "text large" : "text"} dir="auto">
      {nodes}
      {children}
    </div>
  );
}

const blocks = (tokens: readonly Token[], depth: number): ComponentChildren =>
  tokens.map((token) => block(token, depth));

function block(token: Token, depth: number): ComponentChild {
  if (depth > MAX_DEPTH) return <p>{token.raw}</p>;
  switch (token.type) {
    case "space":
      return null;
    case "paragraph":
      return <p dir="auto">{inlines((token as Tokens.Paragraph).tokens, depth)}</p>;
    case "code":
      return (
        <pre tabIndex={0} dir="ltr">
          <code>{(token as Tokens.Code).text}</code>
        </pre>
      );
    case "blockquote":
      return <blockquote dir="auto">{blocks((token as Tokens.Blockquote).tokens, depth + 1)}</blockquote>;
    case "list":
      return list(token as Tokens.List, depth);
    default:
      return <p dir="auto">{inline(token, depth)}</p>;
  }
}

function list({ ordered, start, items }: Tokens.List, depth: number): ComponentChild {
  const children = items.map(({ tokens }) => (
    <li dir="auto">{tokens.map((token) => item(token, depth + 1))}</li>
  ));
  return ordered ? (
    <ol dir="auto" start={start === "" ? 1 : start}>
      {children}
    </ol>
  ) : (
    <ul dir="auto">{children}</ul>
  );
}

/** The text of an item has no paragraph, unless it has several. */
function item(token: Token, depth: number): ComponentChild {
  return token.type === "text" || token.type === "checkbox" ? inline(token, depth) : block(token, depth);
}

const inlines = (tokens: readonly Token[] | undefined, depth: number): ComponentChildren =>
  tokens?.map((token) => inline(token, depth));

function inline(token: Token, depth: number): ComponentChild {
  const { type, raw } = token;
  const children = depth < MAX_DEPTH && "tokens" in token ? inlines(token.tokens, depth + 1) : undefined;
  switch (type) {
    case "br":
      return <br />;
    case "escape":
      return (token as Tokens.Escape).text;
    case "codespan":
      return <code>{(token as Tokens.Codespan).text}</code>;
    case "mention":
      return <span class="mention">{raw}</span>;
    case "strong":
      return <strong>{children ?? raw}</strong>;
    case "em":
      return <em>{children ?? raw}</em>;
    case "del":
      return <del>{children ?? raw}</del>;
    case "link":
      return link(token as Tokens.Link, children);
    case "text":
      return children ?? raw;
    default:
      return raw;
  }
}

function link({ href, text, raw }: Tokens.Link, children: ComponentChildren): ComponentChild {
  const url = safeUrl(href);
  if (url === undefined) return raw;
  const host = otherHost(text, url);
  return (
    <>
      <a href={url} target="_blank" rel="noopener noreferrer nofollow" title={url}>
        {children}
      </a>
      {host !== undefined && <span class="link-host"> ({host})</span>}
    </>
  );
}
