import {
  type Chat,
  type Message,
  ParleyError,
  type Room,
  type RoomPosition,
} from "../../src/client/index.ts";
import type { History } from "./history.ts";

export interface ClientMonitorOptions {
  /** Name of the client. */
  name: string;
  /** Id of its user. */
  user: string;
  room: string;
  keep: number | undefined;
  history: History;
}

/** Changes between two checks of all loaded messages. */
const CHECK_INTERVAL = 250;

/** Checks during the run that what the SDK reports is consistent, and records what it shows. */
export class ClientMonitor {
  /** The last `rev` that was reported. */
  lastRev = 0;
  connectionsLost = 0;

  constructor(private readonly options: ClientMonitorOptions) {}

  /** Watches a room from the moment it is connected. `since` is the position it resumes from. */
  watch(chat: Chat, room: Room, since: RoomPosition | undefined): void {
    const { name, user, room: id, history } = this.options;
    const created = new Set<number>();
    let rev = since?.rev ?? 0;
    let positionRev = rev;
    let resets = 0;
    let changes = 0;
    room.on("change", ({ kind, message, position }) => {
      history.observe(name, id, message);
      if (message.rev <= rev) this.#violation(`rev ${message.rev} was reported after ${rev}`);
      this.lastRev = rev = message.rev;
      if (position.rev > rev || position.rev < positionRev)
        this.#violation(`at rev ${rev} the position went from ${positionRev} to ${position.rev}`);
      positionRev = position.rev;
      if (kind === "created" && created.has(message.seq))
        this.#violation(`message ${message.seq} was reported as created twice`);
      if (kind === "created") created.add(message.seq);
      if (++changes % CHECK_INTERVAL === 0) this.#checkMessages(room.messages);
    });
    room.on("reset", () => {
      // The first connection without a position is a reset. After it the server must be able to resume.
      if (++resets > (since ? 0 : 1))
        this.#violation(`a reset at rev ${room.position?.rev}, after rev ${rev}`);
      rev = positionRev = room.position?.rev ?? 0;
      for (const message of room.messages) history.observe(name, id, message);
    });
    chat.on("status", ({ status }) => {
      if (status === "open" && chat.me?.id !== user)
        this.#violation(`signed in as ${chat.me?.id}, not ${user}`);
      if (status !== "connecting") return;
      this.connectionsLost++;
      history.loseConnection(id);
      history.count("connections lost");
    });
    room.on("closed", ({ reason }) => {
      if (reason === "closed") history.loseConnection(id);
      // A token that is valid for two seconds may expire before the server reads it, twice in a row.
      else if (reason === "token_expired") chat.retry();
      else this.#violation(`closed for good: ${reason}`);
    });
    chat.on("error", ({ error }) =>
      history.count(`error: ${error instanceof ParleyError ? error.code : String(error)}`),
    );
  }

  #checkMessages(messages: readonly Message[]): void {
    const { keep = Number.POSITIVE_INFINITY } = this.options;
    const first = messages[0]?.seq ?? 1;
    const gap = messages.findIndex(({ seq }, index) => seq !== first + index);
    if (gap >= 0) this.#violation(`message ${messages[gap]?.seq} is where ${first + gap} should be`);
    if (messages.length > keep) this.#violation(`${messages.length} messages are kept, more than ${keep}`);
  }

  #violation(what: string): void {
    const { name, room, history } = this.options;
    history.violation(`${name} in ${room}: ${what}`);
  }
}
