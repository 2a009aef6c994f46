import type { Navigation, Route } from "../route.ts";

/** Navigation in one room. The address of the page is not ours, and there is no way to other rooms. */
export class RoomNavigation implements Navigation {
  route: Route;
  readonly #room: string;
  readonly #listeners = new Set<() => void>();

  constructor(room: string) {
    this.#room = room;
    this.route = { room };
  }

  readonly navigate = ({ room, seq }: Route): void => {
    this.route = { room: this.#room, seq: room === this.#room ? seq : undefined };
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
