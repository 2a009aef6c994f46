import type * as Client from "../../../src/client/index.ts";

export interface ScriptOptions {
  url: string;
  room: string;
  token: string;
  /** Number of messages to send. */
  messages: number;
  /** How many times as fast as real time the client's clock runs, so that its timeouts fit into a test. */
  speed: number;
}

/** What a scripted client has seen. */
export interface Report {
  /** Texts of the room's messages at the end. */
  texts: string[];
  /** The `seq` of each `created` event. */
  created: number[];
  /** The `seq` in each ack. */
  acks: number[];
  /** Number of pending messages at the end. */
  pending: number;
  /** How often the connection was lost. */
  disconnects: number;
}

/**
 * Joins a room, sends messages, and leaves after a message "the end". Its source is run in other runtimes, so it must not
 * use anything but its arguments.
 */
export async function runScript(client: typeof Client, options: ScriptOptions): Promise<Report> {
  const { url, room: id, token, messages, speed } = options;
  const clock = {
    now: () => performance.now() * speed,
    setTimeout: (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds / speed),
    clearTimeout: (timer: never) => clearTimeout(timer),
  };
  const chat = client.connect({ url, token: () => token, clock });
  const room = chat.open(id);
  const created: number[] = [];
  let disconnects = 0;
  const ended = new Promise<void>((resolve) => {
    room.on("change", ({ kind, message }) => {
      if (kind === "created") created.push(message.seq);
      if (message.text === "the end") resolve();
    });
  });
  chat.on("status", ({ status }) => {
    if (status === "connecting") disconnects++;
  });
  await room.ready;
  const sent = Array.from({ length: messages }, (_, n) => room.send(`script ${n}`));
  const acks = (await Promise.all(sent)).map(({ seq }) => seq);
  await ended;
  const texts = room.messages.map(({ text }) => text);
  const pending = room.pending.length;
  chat.close();
  return { texts, created, acks, pending, disconnects };
}
