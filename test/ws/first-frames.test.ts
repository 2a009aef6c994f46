import { expect, test } from "bun:test";
import { once } from "node:events";

import { ChatError } from "../../src/chat/errors.ts";
import type { Visitor } from "../../src/ws/admission.ts";
import { Connection, type SocketData, UnauthenticatedConnection } from "../../src/ws/connection.ts";
import { Connections } from "../../src/ws/connections.ts";
import { FirstFrames, type FirstFramesOptions } from "../../src/ws/first-frames.ts";
import { type ClassicFrame, Client, WebSocket } from "../support/client.ts";
import { identity } from "../support/recorded-connection.ts";
import { actor } from "../support/samples.ts";
import { waitUntil } from "../support/wait.ts";

class SilentClient extends Client<ClassicFrame> {
  async closeLine(): Promise<string> {
    const { code, reason } = await this.closed;
    return `${code} ${reason}`;
  }
}

/** Sockets that wait for their token. The test answers for the verifier. */
function startWaiting(options: Partial<FirstFramesOptions> = {}) {
  const tokens: string[] = [];
  const errors: unknown[] = [];
  const answer = Promise.withResolvers<Visitor>();
  const connected: Connection[] = [];
  const gone = Promise.withResolvers<void>();
  const admission: FirstFramesOptions["admission"] = {
    identify(token) {
      tokens.push(token);
      return answer.promise;
    },
    connect: ({ protocol, identity: claims, user }, queue) =>
      new Connection({ protocol, identity: claims, user, ...(queue && { queue }) }, 0),
  };
  const connections = new Connections({ perUser: 0, total: 3 });
  const firstFrames = new FirstFrames({
    admission,
    connections,
    tokenFrom: (frame) => (frame.startsWith("token ") ? frame.slice(6) : undefined),
    closeCodes: {},
    refused: (error) => errors.push(error),
    ...options,
  });
  const server = Bun.serve<SocketData>({
    port: 0,
    fetch(request, self) {
      try {
        firstFrames.reserve();
      } catch (error) {
        return new Response(String(error), { status: 429 });
      }
      self.upgrade(request, { data: new UnauthenticatedConnection("lobby") });
      return undefined;
    },
    websocket: {
      open: (socket) => firstFrames.open(socket),
      message(socket, frame) {
        const { data } = socket;
        if (data instanceof UnauthenticatedConnection)
          firstFrames.receive(socket, data, frame, (connection) => connected.push(connection));
      },
      close(socket) {
        firstFrames.remove(socket);
        gone.resolve();
      },
    },
  });
  const connect = async () => {
    const client = new SilentClient(new WebSocket(server.url.href.replace("http", "ws")));
    await once(client.socket, "open");
    return client;
  };
  return {
    server,
    connect,
    tokens,
    errors,
    /** Connections of clients whose token was accepted. */
    connected,
    /** Resolves when the server has learned that the first client is gone. */
    gone: gone.promise,
    accept: () =>
      answer.resolve({ protocol: "classic", identity: identity(1), user: actor(1), entrance: undefined }),
    /** Sends frames, and refuses the token once they have arrived. */
    sendAndRefuse(client: SilentClient, frames: readonly string[], error: unknown) {
      for (const frame of frames) client.send(frame);
      client.socket.once("pong", () => answer.reject(error));
      client.socket.ping();
    },
    async [Symbol.asyncDispose]() {
      await connections.drain(0);
      await server.stop(true);
    },
  };
}

test("a client that does not send its token in time is closed", async () => {
  await using waiting = startWaiting({ timeoutMs: 20 });
  expect(await (await waiting.connect()).closeLine()).toBe("4401 unauthorized");
});

test("a client whose token is being verified has sent it in time", async () => {
  await using waiting = startWaiting({ timeoutMs: 40 });
  const client = await waiting.connect();
  client.send("token one");
  await waitUntil("the token has come", () => waiting.tokens.length === 1);
  const silent = await waiting.connect();
  expect(await silent.closeLine()).toBe("4401 unauthorized");
  waiting.sendAndRefuse(client, [], new ChatError("keys_unavailable", "No keys."));
  expect(await client.closeLine()).toBe("1013 keys_unavailable");
});

test("a client whose token is accepted gets a connection with the frames that it has sent since", async () => {
  await using waiting = startWaiting({ timeoutMs: 40, maxWaiting: 1 });
  const client = await waiting.connect();
  for (const frame of ["token one", "two", "three"]) client.send(frame);
  client.socket.once("pong", waiting.accept);
  client.socket.ping();
  await waitUntil("it is connected", () => waiting.connected.length === 1);
  expect(waiting.connected[0]?.takeQueuedFrames()).toEqual(["two", "three"]);
  // It waits no more, and its time does not run out.
  const silent = await waiting.connect();
  expect(await silent.closeLine()).toBe("4401 unauthorized");
  expect(client.socket.readyState).toBe(WebSocket.OPEN);
});

test("a client that goes while its token is verified gets none", async () => {
  await using waiting = startWaiting();
  const client = await waiting.connect();
  client.send("token one");
  await waitUntil("the token has come", () => waiting.tokens.length === 1);
  client.socket.terminate();
  await waiting.gone;
  waiting.accept();
  await Bun.sleep(0);
  expect([waiting.connected, waiting.errors]).toEqual([[], []]);
});

test("a token in a binary frame is not looked at", async () => {
  await using waiting = startWaiting();
  const client = await waiting.connect();
  client.send(Buffer.from("token one"));
  expect([await client.closeLine(), waiting.tokens]).toEqual(["4401 unauthorized", []]);
});

test("only the first frame is looked at, and what follows waits for the answer", async () => {
  await using waiting = startWaiting();
  const client = await waiting.connect();
  const refusal = new ChatError("room_not_found", "No such room.");
  waiting.sendAndRefuse(client, ["token one", "token two", "three"], refusal);
  expect([await client.closeLine(), waiting.tokens]).toEqual(["4404 room_not_found", ["one"]]);
});

test("a client that sends too much before it is verified is closed", async () => {
  await using waiting = startWaiting();
  const client = await waiting.connect();
  client.send("token one");
  for (let n = 0; n <= 64; n++) client.send(`frame ${n}`);
  expect(await client.closeLine()).toBe("4429 rate_limited");
});

test("those that wait are few, and count towards the limit of the server", async () => {
  for (const options of [{ maxWaiting: 2 }, {}]) {
    await using waiting = startWaiting(options);
    const clients = [];
    for (let n = 0; n < (options.maxWaiting ?? 3); n++) clients.push(await waiting.connect());
    const refused = new WebSocket(waiting.server.url.href.replace("http", "ws"));
    expect(String((await once(refused, "error"))[0])).toContain("429");
    await clients[0]?.close();
    await waiting.connect();
  }
});

test("an unexpected failure closes the connection as internal, and is reported", async () => {
  await using waiting = startWaiting();
  const client = await waiting.connect();
  const failure = new Error("unexpected");
  waiting.sendAndRefuse(client, ["token one"], failure);
  expect([await client.closeLine(), waiting.errors]).toEqual(["1011 internal", [failure]]);
});
