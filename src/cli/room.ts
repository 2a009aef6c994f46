import { type Command, InvalidArgumentError, Option } from "commander";

import { accesses, MAX_SLOW_MODE_S, operator, postings } from "../chat/model.ts";
import type { RoomOptions } from "../chat/rooms.ts";
import { isRoomId, ROOM_ID_RULE } from "../chat/validation.ts";
import type { Environment } from "../config.ts";
import { Failure } from "./failure.ts";
import { confirm, isInteractive, print, printRows } from "./output.ts";
import { withChat } from "./with-chat.ts";

const accessHelp = "who may join: nobody on their own (members), or any signed-in user (open)";
const postingHelp = "who may post: all members, or only moderators and owners";

export function addRoomCommands(program: Command, environment: Environment): void {
  const room = program.command("room").description("create, list and delete rooms");

  room
    .command("create")
    .description("create a room, and the database if there is none")
    .argument("<room>", "the room's id, as in /ws/chat/<room>/", parseRoomId)
    .option("--name <name>", "the name that people see (default: the id)")
    .addOption(new Option("--access <who>", accessHelp).choices(accesses))
    .addOption(new Option("--posting <who>", postingHelp).choices(postings))
    .option("--slow-mode <seconds>", "seconds between two messages of one member (default: 0)", parseSlowMode)
    .action(async (id: string, { name = id, ...options }: RoomOptions & { name?: string }) => {
      await withChat(environment, { create: true }, (chat) => chat.rooms.create(operator, id, name, options));
      await print(`Created room ${id}`);
    });

  room
    .command("list")
    .description("list all rooms")
    .option("--json", "print JSON")
    .action(async (options: { json?: boolean }) => {
      const rooms = await withChat(environment, {}, (chat) => chat.rooms.all());
      const rows = rooms.map(({ id, name, seq, createdAt }) => ({
        id,
        name,
        messages: seq,
        created_at: new Date(createdAt).toISOString(),
      }));
      await printRows(rows, options);
    });

  room
    .command("delete")
    .description("delete a room with all its messages; asks first when run in a terminal")
    .argument("<room>", "the room's id", parseRoomId)
    .option("--yes", "do not ask")
    .action(async (id: string, { yes }: { yes?: boolean }) => {
      await withChat(environment, { room: id }, async (chat) => {
        const { room: found } = await chat.rooms.enter(operator, id);
        if (!yes && isInteractive() && !(await confirm(deleteQuestion(id, found.seq))))
          throw new Failure("Nothing was deleted.");
        await chat.rooms.delete(operator, id);
      });
      await print(`Deleted room ${id}`);
    });
}

function deleteQuestion(id: string, messages: number): string {
  if (messages === 0) return `Delete room "${id}"?`;
  return `Delete room "${id}" and its ${messages === 1 ? "message" : `${messages} messages`}?`;
}

export function parseRoomId(text: string): string {
  if (!isRoomId(text)) throw new InvalidArgumentError(ROOM_ID_RULE);
  return text;
}

function parseSlowMode(text: string): number {
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds <= MAX_SLOW_MODE_S) return seconds;
  throw new InvalidArgumentError(`Expected a whole number of seconds, from 0 to ${MAX_SLOW_MODE_S}.`);
}
