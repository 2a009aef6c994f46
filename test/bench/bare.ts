// The upper limit: Bun's publish and subscribe without tokens, a database or checks.
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
      // Like an empty history in `classic`, so that both servers are read alike.
      socket.send("[]");
    },
    message(socket, frame) {
      server.publish(socket.data.topic, frame, false);
    },
  },
});

console.log(JSON.stringify({ msg: "listening", url: server.url.href }));
