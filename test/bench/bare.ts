/** The limit: Bun's publish and subscribe with nothing around it. No tokens, no database, no checks. */
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, self) {
    const data = { topic: new URL(request.url).pathname };
    return self.upgrade(request, { data }) ? undefined : new Response(null, { status: 400 });
  },
  websocket: {
    data: {} as { topic: string },
    perMessageDeflate: false,
    idleTimeout: 0,
    sendPings: false,
    open(socket) {
      socket.subscribe(socket.data.topic);
      // As long as an empty history, so that both servers are read alike.
      socket.send("[]");
    },
    message(socket, frame) {
      server.publish(socket.data.topic, frame, false);
    },
  },
});

console.log(JSON.stringify({ msg: "listening", url: server.url.href }));
