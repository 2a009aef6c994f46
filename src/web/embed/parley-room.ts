import { createElement, render } from "preact";

import type { Token } from "../../client/options.ts";
import { EmbeddedRoom } from "./embedded-room.tsx";

/** The style sheet embed.css, put in by the build. A policy of the page for `style` elements does not concern it. */
declare const EMBED_STYLES: string;

const styles = new CSSStyleSheet();
styles.replaceSync(EMBED_STYLES);

/**
 * `<parley-room room="…">`: a room in any page, with the components of the server's page. They are in a shadow tree, which
 * the styles of the page do not reach.
 */
export class ParleyRoomElement extends HTMLElement {
  static readonly observedAttributes = ["room"];
  readonly #root: HTMLElement;
  #token: Token | undefined;
  #isShown = false;

  constructor() {
    super();
    const shadow = this.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [styles];
    for (const type of ["keydown", "keypress", "keyup"] as const) shadow.addEventListener(type, keepKey);
    this.#root = document.createElement("div");
    this.#root.className = "embed";
    this.#root.lang = "en";
    shadow.append(this.#root);
  }

  /** Returns the token of the user, as the `token` option of `connect` does. Elements with the same function share one connection. */
  get token(): Token | undefined {
    return this.#token;
  }

  set token(token: Token | undefined) {
    this.#token = token;
    this.#update();
  }

  /** The id of the room: the attribute of this name. */
  get room(): string {
    return this.getAttribute("room") ?? "";
  }

  set room(id: string) {
    this.setAttribute("room", id);
  }

  connectedCallback(): void {
    // The page may have set it before this script was loaded: then it hides the accessor.
    const early = Object.getOwnPropertyDescriptor(this, "token");
    if (early) {
      Reflect.deleteProperty(this, "token");
      this.token = early.value as Token | undefined;
    }
    this.#isShown = true;
    this.#update();
  }

  disconnectedCallback(): void {
    // An element that is moved is connected again at once.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#isShown = false;
      render(null, this.#root);
    });
  }

  attributeChangedCallback(): void {
    this.#update();
  }

  /** Moves the focus to where messages are written. */
  override focus(options?: FocusOptions): void {
    this.#root.querySelector<HTMLElement>(".composer textarea")?.focus(options);
  }

  #update(): void {
    if (!this.#isShown) return;
    const { room } = this;
    // Pages that are not in TypeScript may set anything, such as the token itself.
    const token = typeof this.token === "function" ? this.token : undefined;
    const emit = (name: string, detail: unknown) =>
      void this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
    render(createElement(EmbeddedRoom, { room, token, emit }), this.#root);
  }
}

/** Keeps the keys that are used in the room from the shortcuts of the page, which cannot see where they are typed. */
function keepKey(event: Event): void {
  if (!(event instanceof KeyboardEvent && event.target instanceof HTMLElement)) return;
  const isCommand = event.ctrlKey || event.metaKey || event.key === "Escape";
  const isTyped = !isCommand && event.target.matches("input, textarea, select");
  if (isTyped || event.defaultPrevented) event.stopPropagation();
}
