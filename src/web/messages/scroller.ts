/** Pixels from the end at which the end counts as reached. */
const BOTTOM_MARGIN_PX = 40;
/** Events by which a user scrolls. */
const INPUTS = ["wheel", "touchmove", "pointerdown", "keydown"] as const;

/**
 * Keeps what the user looks at in its place when something is added or becomes higher, above or below. At the end it
 * stays at the end. Browsers do this by themselves (scroll anchoring), but not all of them, and not at the very top.
 */
export class Scroller {
  isAtBottom = true;
  /** Whether the end is followed: not while newer messages than those shown are missing. */
  isFollowing = true;
  /** An element that is looked at, and where it is in the viewport. */
  #anchor: { element: Element; top: number } | undefined;
  /** Whether the anchor was chosen by `toElement`, and the user has not moved since. */
  #isPinned = false;
  readonly #viewport: HTMLElement;
  readonly #content: HTMLElement;
  readonly #onScroll: () => void;
  readonly #observer: ResizeObserver;

  /** The content's elements with `data-anchor`, in its children, keep their place. `onScroll` is called after each movement. */
  constructor(viewport: HTMLElement, content: HTMLElement, onScroll: () => void) {
    this.#viewport = viewport;
    this.#content = content;
    this.#onScroll = onScroll;
    this.#observer = new ResizeObserver(() => {
      this.restore();
      // The end may be in view now, without any movement.
      this.#update();
    });
    this.#observer.observe(viewport);
    this.#observer.observe(content);
    viewport.addEventListener("scroll", this.#update, { passive: true });
    for (const type of INPUTS) viewport.addEventListener(type, this.#unpin, { passive: true });
  }

  get distanceToTop(): number {
    return this.#viewport.scrollTop;
  }

  get distanceToBottom(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#viewport;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** Call it when the content has changed, before the browser draws it. */
  restore(): void {
    if (this.isAtBottom && this.isFollowing) this.#viewport.scrollTop = this.#viewport.scrollHeight;
    else if (this.#anchor?.element.isConnected)
      this.#viewport.scrollTop += this.#topOf(this.#anchor.element) - this.#anchor.top;
  }

  toBottom(): void {
    this.isAtBottom = true;
    this.#isPinned = false;
    this.#viewport.scrollTop = this.#viewport.scrollHeight;
    this.#update();
  }

  /** Shows an element, a third of the viewport below its top. */
  toElement(element: Element): void {
    this.isAtBottom = false;
    this.#viewport.scrollTop += this.#topOf(element) - this.#viewport.clientHeight / 3;
    // What is above it may turn out to be higher than it was thought to be.
    this.#anchor = { element, top: this.#topOf(element) };
    this.#isPinned = true;
    this.#update();
    // Heights are estimates until the browser has drawn what is in view; the end may be in view then.
    requestAnimationFrame(() => requestAnimationFrame(this.#update));
  }

  close(): void {
    this.#observer.disconnect();
    this.#viewport.removeEventListener("scroll", this.#update);
    for (const type of INPUTS) this.#viewport.removeEventListener(type, this.#unpin);
  }

  readonly #update = () => {
    this.isAtBottom = this.distanceToBottom < BOTTOM_MARGIN_PX;
    if (!this.#isPinned) {
      const element = this.#firstVisible();
      this.#anchor = element && { element, top: this.#topOf(element) };
    }
    this.#onScroll();
  };

  readonly #unpin = () => {
    this.#isPinned = false;
  };

  #topOf(element: Element): number {
    return element.getBoundingClientRect().top - this.#viewport.getBoundingClientRect().top;
  }

  #firstVisible(): Element | undefined {
    const { top } = this.#viewport.getBoundingClientRect();
    const isVisible = (element: Element) => element.getBoundingClientRect().bottom > top;
    for (const group of this.#content.children) {
      if (!isVisible(group)) continue;
      const found = Array.from(group.children).find(
        (element) => element.hasAttribute("data-anchor") && isVisible(element),
      );
      if (found) return found;
    }
    return undefined;
  }
}
