import type * as Client from "../../../src/client/index.ts";

export interface GuestOptions {
  url: string;
  room: string;
  token: string;
  /** How many messages to send. */
  messages: number;
  /** Times as fast as its clock runs: what a client does after half a minute happens within a test. */
  speed: number;
}

/** What a guest has seen. */
export interface Seen {
  /** The room's messages, by their texts. */
  texts: string[];
  /** Their numbers, as they were told: each once, when it was new. */
  created: number[];
  /** Where what it sent is stored. */
  acks: number[];
  pending: number;
  /** How often it was without a connection. */
  lost: number;
}

/**
 * A member who sends a few messages, and leaves once somebody has said "the end". It is run as it stands in other
 * runtimes, so that it uses nothing but what it is given.
 */
export async function guest(client: typeof Client, options: GuestOptions): Promise<Seen> {
  const { url, room: id, token, messages, speed } = options;
  const clock = {
    now: () => performance.now() * speed,
    setTimeout: (work: () => void, milliseconds: number) => setTimeout(work, milliseconds / speed),
    clearTimeout: (timer: never) => clearTimeout(timer),
  };
  const room = client.connect({ url, room: id, token: () => token, clock });
  const created: number[] = [];
  let lost = 0;
  const ended = new Promise<void>((resolve) => {
    room.on("change", ({ kind, message }) => {
      if (kind === "created") created.push(message.seq);
      if (message.text === "the end") resolve();
    });
  });
  room.on("status", ({ status }) => {
    if (status === "connecting") lost++;
  });
  await room.ready;
  const sent = Array.from({ length: messages }, (_, n) => room.send(`guest ${n}`));
  const acks = (await Promise.all(sent)).map(({ seq }) => seq);
  await ended;
  const texts = room.messages.map(({ text }) => text);
  const pending = room.pending.length;
  room.close();
  return { texts, created, acks, pending, lost };
}
