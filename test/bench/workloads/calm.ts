import { compare, type Result } from "../compare.ts";
import { Crowd, CROWD_ROOM } from "../crowd.ts";
import { classic } from "../dialects.ts";
import { latency, load, measure } from "../measure.ts";
import type { Server } from "../server.ts";
import { CROWD_SIZE, onServer, type Testbed } from "../testbed.ts";
import { warmUp } from "../warm-up.ts";

const MESSAGES_PER_SECOND = 80;
const SETTLE_MS = 1000;
const MEASURE_MS = 5000;

/** A large room with few messages: what a delivery costs when nothing is batched, and how soon everyone has it. */
export function calm(testbed: Testbed): Promise<string[]> {
  const work = (server: Server) => sendSteadily(server, testbed);
  return compare(
    `a room of ${CROWD_SIZE}, ${MESSAGES_PER_SECOND} messages a second, CPU`,
    testbed.rounds,
    onServer("bare", testbed.bare, work),
    onServer("parley", testbed.parley, work),
  );
}

async function sendSteadily(server: Server, testbed: Testbed): Promise<Result> {
  await warmUp(server, testbed);
  using crowd = await Crowd.connect(server, testbed, classic);
  let latencies: number[] = [];
  let sentAt = 0;
  crowd.last.onChunk = () => latencies.push(performance.now() - sentAt);
  const timer = setInterval(() => {
    sentAt = performance.now();
    crowd.senders[0]?.write(classic.send(CROWD_ROOM));
  }, 1000 / MESSAGES_PER_SECOND);
  await Bun.sleep(SETTLE_MS);
  crowd.reset();
  latencies = [];
  const period = await measure(server, MEASURE_MS);
  clearInterval(timer);
  const value = period.serverCpu / crowd.deliveries();
  const text = `${value.toFixed(2)} µs of CPU a delivery, ${latency(latencies)} to the last of ${CROWD_SIZE}`;
  return { value, text: `${text}; ${load(period)}` };
}
