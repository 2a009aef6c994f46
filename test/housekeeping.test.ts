import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { fillRoom } from "./support/messages.ts";
import { useServer } from "./support/server.ts";
import { waitUntil } from "./support/wait.ts";

const server = useServer();

test("a running server removes what a deleted room left behind, and nothing else", async () => {
  const [gone, kept] = [
    await server.createRoom(["alice@example.com", "bob@example.com"]),
    await server.createRoom(["alice@example.com"]),
  ];
  fillRoom(server, gone, 2500);
  fillRoom(server, kept, 10);
  await server.asOperator((chat, operator) => chat.rooms.delete(operator, gone));
  using database = new Database(server.config.database, { readonly: true });
  const count = (table: string) =>
    database.query<{ n: number }, []>(`SELECT count(*) AS n FROM ${table}`).get()?.n;
  await waitUntil("the room is purged", () => count("rooms") === 1);
  expect([count("messages"), count("members")]).toEqual([10, 1]);
});
