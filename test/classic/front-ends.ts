import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A page in test/classic/pages, and what its users see. */
export interface FrontEnd {
  /** Of the page, and of the file in docs/migration. */
  name: string;
  /** Whether the page sends the token itself. Others rely on a cookie. */
  sendsToken: boolean;
  /** The variable with its WebSocket. */
  socket: string;
  /** An expression that lists the messages on the page, as `name: text` or, without a name, `text`. */
  messages: string;
  /** Selectors of the text field, the button, and the element with errors and states. */
  input: string;
  submit: string;
  notice?: string;
  /** A message in the history, if there is one, and one that arrives. */
  inHistory?: (person: Person, text: string) => string;
  arriving: (person: Person, text: string) => string;
  /** What the page tells when a text is refused. Absent: nothing. */
  refused?: string;
  /** What the page tells, or logs, when it can't connect. */
  unauthorized: string;
  roomNotFound: string;
  /** Whether the page connects again after the server was restarted. */
  reconnects: boolean;
  /** Whether edits and deletions are shown. */
  showsChanges: boolean;
}

export interface Person {
  id: string;
  email: string;
  name: string;
}

const list = (selector: string, text = "element.textContent") =>
  `[...document.querySelectorAll("${selector}")].map((element) => ${text})`;

const onlyText = (_: Person, text: string) => text;
const withEmail = ({ email }: Person, text: string) => `${email}: ${text}`;
const withName = ({ name }: Person, text: string) => `${name}: ${text}`;
const withId = ({ id }: Person, text: string) => `${id}: ${text}`;

export const frontEnds: readonly FrontEnd[] = [
  {
    name: "documented",
    sendsToken: false,
    socket: "socket",
    messages: list("#messages li"),
    input: "#message",
    submit: "#send",
    notice: "#status",
    inHistory: withEmail,
    arriving: onlyText,
    unauthorized: "Disconnected",
    roomNotFound: "Disconnected",
    reconnects: false,
    showsChanges: false,
  },
  {
    name: "newest-first",
    sendsToken: false,
    socket: "socket",
    messages: list(".message"),
    input: "#chat-input",
    submit: "button",
    notice: "#connection",
    inHistory: withEmail,
    arriving: onlyText,
    unauthorized: "offline",
    roomNotFound: "offline",
    reconnects: true,
    showsChanges: false,
  },
  {
    name: "tutorial",
    sendsToken: false,
    socket: "chatSocket",
    messages: `document.querySelector("#chat-log").value.split("\\n").slice(0, -1)`,
    input: "#chat-message-input",
    submit: "#chat-message-submit",
    arriving: onlyText,
    unauthorized: "Chat socket closed unexpectedly",
    roomNotFound: "Chat socket closed unexpectedly",
    reconnects: false,
    showsChanges: false,
  },
  {
    name: "username",
    sendsToken: false,
    socket: "chatSocket",
    messages: list("#chat-messages p"),
    input: "#chat-message-input",
    submit: "#chat-message-submit",
    notice: "#errors",
    inHistory: withName,
    arriving: withName,
    refused: "A message needs some visible text.",
    unauthorized: "The socket closed unexpectedly",
    roomNotFound: "The socket closed unexpectedly",
    reconnects: true,
    showsChanges: false,
  },
  {
    name: "chat-message",
    sendsToken: true,
    socket: "ws",
    messages: list(
      "#messages > div",
      `element.children[0].textContent + ": " + element.children[1].textContent`,
    ),
    input: "#text",
    submit: "#send",
    notice: "#notice",
    inHistory: withName,
    arriving: withName,
    refused: "A message needs some visible text.",
    unauthorized: "Your session has expired. Please log in again.",
    roomNotFound: "This room does not exist.",
    reconnects: true,
    showsChanges: true,
  },
  {
    name: "actions",
    sendsToken: true,
    socket: "socket",
    messages: list(
      "#messages li",
      `element.children[0].textContent + ": " + element.children[1].textContent`,
    ),
    input: "#input",
    submit: "#form > button",
    inHistory: withId,
    arriving: withId,
    refused: "Error: A message needs some visible text.",
    unauthorized: "WebSocket closed: 1006",
    roomNotFound: "WebSocket closed: 1006",
    reconnects: true,
    showsChanges: true,
  },
];

/** The page as a server renders its template: `{{ name }}`, and `{{ name|json_script:"id" }}` for an element with JSON. */
export function render(name: string, values: Record<string, string>): string {
  const template = readFileSync(join(import.meta.dir, `pages/${name}.html`), "utf8");
  return template.replace(/\{\{ (\w+)(?:\|json_script:"([^"]+)")? \}\}/g, (_, key: string, id?: string) => {
    const value = values[key];
    if (value === undefined) throw new Error(`${name}.html has an unknown value: ${key}`);
    if (id === undefined) return value;
    return `<script id="${id}" type="application/json">${JSON.stringify(value)}</script>`;
  });
}
