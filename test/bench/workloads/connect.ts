import { CROWD_ROOM } from "../crowd.ts";
import { classic, roomPath } from "../dialects.ts";
import { cpuTime, percentile } from "../measure.ts";
import { RawSocket } from "../raw-socket.ts";
import type { Server } from "../server.ts";
import { connectUsers, CROWD_SIZE, inParallel, type Testbed } from "../testbed.ts";

const CONNECTIONS = 3000;
const CONNECTS_AT_ONCE = 8;
const WARM_UP_ROUNDS = 3;
/** A room shows its last 50 messages. */
const HISTORY_MESSAGES = 60;
const SETTLE_MS = 300;

/** What a connection costs: the token, the membership and the last 50 messages. */
export async function connect(testbed: Testbed): Promise<string[]> {
  await using bare = await testbed.bare();
  await using parley = await testbed.parley();
  const [writer] = await connectUsers(parley, testbed, [0], classic, () => CROWD_ROOM);
  for (let index = 0; index < HISTORY_MESSAGES; index++) writer?.write(classic.send(CROWD_ROOM));
  const newTokens = () =>
    Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => testbed.newToken(index % CROWD_SIZE)));

  const contenders = [
    { name: "bare", server: bare, costs: new Array<number>() },
    { name: "parley, new token", server: parley, costs: new Array<number>() },
    { name: "parley, token seen before", server: parley, costs: new Array<number>() },
  ];
  for (let round = -WARM_UP_ROUNDS; round < testbed.rounds; round++) {
    const tokens = await newTokens();
    for (const { server, costs } of contenders) {
      const cost = await connectAll(server, tokens);
      if (round >= 0) costs.push(cost);
    }
  }
  return [
    "CPU of a connection, with 50 messages of history",
    ...contenders.map(({ name, costs }) => {
      const all = costs.map((cost) => cost.toFixed(0)).join(", ");
      return `  ${name}: ${percentile(costs, 0.5).toFixed(0)} µs (rounds: ${all})`;
    }),
  ];
}

/** Connects with each token and closes again. Returns the server's CPU time for each, in microseconds. */
async function connectAll(server: Server, tokens: readonly string[]): Promise<number> {
  const before = cpuTime(server.pid);
  await inParallel(tokens, CONNECTS_AT_ONCE, async (token) => {
    const socket = await RawSocket.connect(server.url, { path: roomPath(CROWD_ROOM), token });
    socket.close();
  });
  await Bun.sleep(SETTLE_MS);
  return (cpuTime(server.pid) - before) / tokens.length;
}
