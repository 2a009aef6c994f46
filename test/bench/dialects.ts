import { type Client, clientFrame, connect, each, splitter } from "./load.ts";
import { cpu, memory, type Served } from "./process.ts";

/** `chat.v2` beside `classic`, on the same server: what acks, cursors and larger frames cost. */

const text = "Hello, how are you? This is a message of some length.";

export interface Speech {
  /** What is offered at the upgrade. */
  protocol: string;
  frame: Uint8Array;
  /** Whether a frame of the server's, by its tenth byte, is a message … */
  isMessage(tenth: number): boolean;
  /** … and whether it says that a message of one's own is on disk. */
  isAnswer(tenth: number): boolean;
}

const [a, c] = [97, 99];
/** `{"message":…}`, where one's own message is the answer. */
export const classic: Speech = {
  protocol: "classic",
  frame: clientFrame(JSON.stringify({ message: text })),
  isMessage: () => true,
  isAnswer: () => true,
};
/** `{"type":"change",…}` and `{"type":"ack",…}`. */
export const v2: Speech = {
  protocol: "chat.v2",
  frame: clientFrame(JSON.stringify({ type: "send", id: "1", text })),
  isMessage: (tenth) => tenth === c,
  isAnswer: (tenth) => tenth === a,
};

export interface Load {
  url: URL;
  path: (room: string) => string;
  token: (user: number) => Promise<string>;
}

/** One sender in each of the rooms, so many messages in flight: messages a second, from being sent to being answered. */
export async function sendToAnswer(
  { url, path, token }: Load,
  speech: Speech,
  rooms: number,
  inFlight: number,
): Promise<{ clients: Client[]; take: () => number }> {
  let answers = 0;
  const users = Array.from({ length: rooms }, (_, index) => index);
  const clients = await each(users, 16, async (index) =>
    connect(url, path(`room${index}`), await token(index), speech.protocol),
  );
  // The first frame, whose tenth byte is that of neither, or stands for nothing.
  await Bun.sleep(300);
  for (const client of clients) {
    let first = true;
    const onFrame = (tenth: number) => {
      if (first || !speech.isAnswer(tenth)) {
        first = false;
        return;
      }
      answers++;
      client.write(speech.frame);
    };
    client.listen(splitter(onFrame));
    for (let index = 0; index < inFlight; index++) client.write(speech.frame);
  }
  return { clients, take: () => [answers, (answers = 0)][0] as number };
}

/** One room of many, 4 senders with so many messages in flight each: deliveries a second. */
export async function fanOut(
  { url, path, token }: Load,
  speech: Speech,
  crowd: number,
  inFlight: number,
): Promise<{ clients: Client[]; take: () => number }> {
  const senders = 4;
  let deliveries = 0;
  const users = Array.from({ length: crowd }, (_, index) => index);
  const clients = await each(users, 16, async (index) =>
    connect(url, path("crowd"), await token(index), speech.protocol),
  );
  await Bun.sleep(500);
  for (const [index, client] of clients.entries()) {
    let first = true;
    let credit = 0;
    const onFrame = (tenth: number) => {
      if (first) {
        first = false;
        return;
      }
      if (speech.isMessage(tenth)) deliveries++;
      if (index >= senders || !speech.isMessage(tenth)) return;
      // Each sender sees the messages of all: one in four stands for his own.
      if (++credit % senders === 0) client.write(speech.frame);
    };
    client.listen(splitter(onFrame));
  }
  for (const client of clients.slice(0, senders))
    for (let index = 0; index < inFlight; index++) client.write(speech.frame);
  return { clients, take: () => [deliveries, (deliveries = 0)][0] as number };
}

/** Everything that changed in a room, from the beginning: how long it takes, and what it takes of the server. */
export async function resume(
  served: Served,
  { url, path, token }: Load,
  room: string,
  length: number,
): Promise<{ seconds: number; used: number; grown: number; bytes: number }> {
  let [peak, bytes] = [0, 0];
  const before = memory(served.pid);
  const used = cpu(served.pid);
  const start = performance.now();
  const client = await connect(url, `${path(room)}?since=0`, await token(0), "chat.v2");
  const timer = setInterval(() => (peak = Math.max(peak, memory(served.pid))), 5);
  const end = `"rev":${length},`;
  await new Promise<void>((resolve) => {
    let tail = "";
    client.listen((chunk) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString("latin1", Math.max(0, chunk.length - 400))).slice(-800);
      if (tail.includes(end)) resolve();
    });
  });
  const seconds = (performance.now() - start) / 1000;
  clearInterval(timer);
  const spent = cpu(served.pid) - used;
  client.end();
  return { seconds, used: spent, grown: Math.max(peak, memory(served.pid)) - before, bytes };
}
