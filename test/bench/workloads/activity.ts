import { companyDatabase, companyRoom, departmentRoom } from "../company.ts";
import { compare, type Result } from "../compare.ts";
import { type Dialect, idleSession, isActivity, session, v2 } from "../dialects.ts";
import { load, measure } from "../measure.ts";
import { type RawSocket, readInTurns } from "../raw-socket.ts";
import type { Server } from "../server.ts";
import { connectUsers, CROWD_SIZE, onServer, type Testbed, usersBetween } from "../testbed.ts";
import { warmUp } from "../warm-up.ts";

/** Users who have each busy room open. */
const READERS = 10;
const SETTLE_MS = 1000;
const MEASURE_MS = 6000;

interface Load {
  /** Rooms of all users that are busy. */
  rooms: number;
  /** Messages a second, in each of them. */
  rate: number;
}

/** The first is not busy: hardly any messages share an activity. */
const loads: readonly Load[] = [
  { rooms: 1, rate: 3 },
  { rooms: 1, rate: 100 },
  { rooms: 1, rate: 1000 },
  { rooms: 10, rate: 50 },
];

/** Messages in rooms that most sessions do not have open, beside the same messages to connections to these rooms only. */
export async function activity(testbed: Testbed): Promise<string[]> {
  const database = await companyDatabase(testbed);
  const lines: string[] = [];
  for (const each of loads) {
    const { rooms, rate } = each;
    const title = `${rooms === 1 ? "a room" : `${rooms} rooms`} of ${CROWD_SIZE}, ${READERS} readers and ${rate} messages a second each, CPU`;
    const contender = (name: string, dialect: Dialect, others: number) =>
      onServer(
        name,
        () => testbed.parley(database),
        (server) => sendSteadily(server, testbed, each, dialect, others),
      );
    const alone = contender("room connections", v2, 0);
    const withOthers = contender(`${CROWD_SIZE} sessions`, session, CROWD_SIZE - rooms * READERS);
    lines.push(...(await compare(title, testbed.rounds, alone, withOthers)));
  }
  return lines;
}

/** Sends messages to each room's readers, while other users have an idle session. Compares the CPU of a message. */
async function sendSteadily(
  server: Server,
  testbed: Testbed,
  busy: Load,
  dialect: Dialect,
  others: number,
): Promise<Result> {
  await warmUp(server, testbed, departmentRoom(0));
  const readerCount = busy.rooms * READERS;
  const idleUsers = usersBetween(readerCount, readerCount + others);
  const idle = await connectUsers(server, testbed, idleUsers, idleSession, () => "");
  const roomOf = (user: number) => companyRoom(Math.floor(user / READERS));
  const readers = await connectUsers(server, testbed, usersBetween(0, readerCount), dialect, roomOf);
  const sockets = [...readers, ...idle];
  await Bun.sleep(SETTLE_MS);
  const received = readers.map((socket) => countFrames(socket, dialect.isMessage));
  const watcher = idle.pop();
  const activities = watcher && countFrames(watcher, isActivity);
  using _ = readInTurns(idle);
  const before = idle.map(({ bytesRead }) => bytesRead);

  const sender = startSending(readers, busy, dialect);
  await Bun.sleep(SETTLE_MS);
  const [sentBefore, activitiesBefore] = [sender.sent, activities?.count ?? 0];
  const period = await measure(server, MEASURE_MS);
  const messages = sender.sent - sentBefore;
  const perSecond = ((activities?.count ?? 0) - activitiesBefore) / period.seconds;
  sender.stop();
  await Bun.sleep(SETTLE_MS);

  for (const { count } of received)
    if (count !== sender.sent / busy.rooms) throw new Error("a reader has not received every message once");
  if (new Set(idle.map(({ bytesRead }, index) => bytesRead - (before[index] ?? 0))).size > 1)
    throw new Error("some sessions were told of more activity than others");
  for (const socket of sockets) socket.close();
  const value = period.serverCpu / messages;
  const told = watcher ? `, ${perSecond.toFixed(1)} activities a second to each session` : "";
  return { value, text: `${value.toFixed(1)} µs of CPU a message${told}; ${load(period)}` };
}

/** Lets the first reader of each room send, one room after the other. After `stop` each room has had as many messages. */
function startSending(readers: readonly RawSocket[], { rooms, rate }: Load, dialect: Dialect) {
  const frames = usersBetween(0, rooms).map((room) => dialect.send(companyRoom(room)));
  const startedAt = performance.now();
  const sendUntil = (due: number) => {
    for (; sender.sent < due; sender.sent++) {
      const room = sender.sent % rooms;
      readers[room * READERS]?.write(frames[room] as Uint8Array);
    }
  };
  const timer = setInterval(() => sendUntil(((performance.now() - startedAt) / 1000) * rate * rooms), 1);
  const sender = {
    sent: 0,
    stop: () => {
      clearInterval(timer);
      sendUntil(Math.ceil(sender.sent / rooms) * rooms);
    },
  };
  return sender;
}

function countFrames(socket: RawSocket, matches: Dialect["isMessage"]): { count: number } {
  const counter = { count: 0 };
  socket.onFrame = (bytes, start) => {
    if (matches(bytes, start)) counter.count++;
  };
  return counter;
}
