import type { ChaosClient } from "./client.ts";
import type { DatabaseReader, StoredRoom } from "./database.ts";
import { missingInList } from "./list-checker.ts";
import type { Participants } from "./setup.ts";
import { presenceErrors } from "./view-checker.ts";
import type { Watchdog } from "./watchdog.ts";

/**
 * Waits until everyone shows everything, and who is online; then until those who leave are shown as offline. Calls `check` as
 * soon as nothing is missing, before more rooms are opened, which would mend wrong counts.
 */
export async function converge(
  participants: Participants,
  database: DatabaseReader,
  watchdog: Watchdog,
  check: () => void,
): Promise<void> {
  await watchdog.until(() => behind(participants, database));
  check();
  // One device of each user shows the messages of all rooms in the end.
  for (const client of participants.clients.filter((_, index) => index % 2 === 1)) {
    for (const { id } of client.chat.rooms) client.open(id);
    client.discardFailed();
  }
  await watchdog.until(() => behind(participants, database));
  const { clients } = participants;
  const incomplete = () =>
    clients.filter((each) => each.isIncomplete).map(({ name }) => `${name} is loading older messages`);
  await watchdog.finish(Promise.all(clients.map((client) => client.loadAll())), incomplete);
  await watchdog.until(() => [...behind(participants, database), ...wrongPresence(participants, database)]);
  for (const observer of participants.classicObservers) await observer[Symbol.asyncDispose]();
  await watchdog.until(() => wrongPresence({ ...participants, classicObservers: [] }, database));
}

/** What clients and observers lack that is in the database. */
function behind({ clients, observers }: Participants, database: DatabaseReader): string[] {
  return [
    ...clients.flatMap((client) => clientBehind(client, database)),
    ...observers
      .filter(({ rev, roomId }) => rev !== database.rev(roomId))
      .map(({ name, rev, roomId }) => `${name} is at rev ${rev} of ${database.rev(roomId)}`),
  ];
}

function clientBehind(client: ChaosClient, database: DatabaseReader): string[] {
  const { name, state, chat, user, rooms } = client;
  if (chat.status !== "open" || !chat.complete) return [state];
  if (client.hasStoredCommands) return [`${name} has commands in its storage`];
  const stored = database.roomsOf(user);
  const revs = new Map(stored.map(({ id, rev }) => [id, rev]));
  const isBehind = [...rooms.values()].some(
    ({ id, status, pending, position }) =>
      status !== "open" || pending.length > 0 || position?.rev !== revs.get(id),
  );
  return [...(isBehind ? [state] : []), ...missingInList({ name, rooms: chat.rooms }, stored)];
}

/** Users with a session are online in all of their rooms, the others in the one that they are connected to. */
function wrongPresence(
  { rooms, clients, observers, classicObservers }: Participants,
  database: DatabaseReader,
): string[] {
  return rooms.flatMap((id) => {
    const online = usersOnline(database.room(id), clients, [...observers, ...classicObservers]);
    return clients.flatMap(({ name, rooms: open }) => {
      const room = open.get(id);
      return room ? presenceErrors(online, { name: `${name} in ${id}`, online: room.online }) : [];
    });
  });
}

function usersOnline(
  { id, members }: StoredRoom,
  clients: readonly ChaosClient[],
  connections: readonly { roomId: string; user: string }[],
): Set<string> {
  const here = connections.filter(({ roomId }) => roomId === id);
  return new Set([...clients, ...here].map(({ user }) => user).filter((user) => members.has(user)));
}
