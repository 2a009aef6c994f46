import { type Command, InvalidArgumentError, Option } from "commander";

import { ChatError } from "../chat/errors.ts";
import { type Invitee, type Member, operator, type Role, roles } from "../chat/model.ts";
import { parseInvitee } from "../chat/validation.ts";
import type { Environment } from "../config.ts";
import { Failure } from "./failure.ts";
import { print, printRows } from "./output.ts";
import { parseRoomId } from "./room.ts";
import { withChat } from "./with-chat.ts";

const USER_HELP =
  "an email, or a user id (the token's sub); write sub:<id> for an id that looks like an email";

export function addMemberCommands(program: Command, environment: Environment): void {
  const member = program.command("member").description("add, remove and list the members of a room");

  member
    .command("add")
    .description("add a member, who need not have connected yet, or change a member's role")
    .argument("<room>", "the room's id", parseRoomId)
    .argument("<user>", USER_HELP, parseNewUser)
    .addOption(
      new Option("--role <role>", "the role (default: unchanged, or member for a new one)").choices(roles),
    )
    .action(async (room: string, user: Invitee, { role }: { role?: Role }) => {
      const { added, member: now } = await withChat(environment, { room }, (chat) =>
        chat.rooms.setMember(operator, room, user, role),
      );
      await print(
        added
          ? `Added ${describeUser(user)} to ${room} as ${now.role}`
          : `Already a member of ${room}: ${describeUser(user)} (role: ${now.role})`,
      );
    });

  member
    .command("remove")
    .description("remove a member; their connections to the room are closed")
    .argument("<room>", "the room's id", parseRoomId)
    .argument("<user>", USER_HELP, parseUser)
    .action(async (room: string, user: Invitee) => {
      const removed = await withChat(environment, { room }, (chat) =>
        chat.rooms.removeMember(operator, room, user),
      );
      if (!removed) throw new Failure(`Room ${room} has no member with the ${describeUser(user)}.`);
      await print(`Removed ${describeUser(user)} from ${room}`);
    });

  member
    .command("list")
    .description("list the members of a room")
    .argument("<room>", "the room's id", parseRoomId)
    .option("--json", "print JSON")
    .action(async (room: string, options: { json?: boolean }) => {
      const members = await withChat(environment, { room }, (chat) => chat.rooms.members(operator, room));
      await printRows(members.map(row), options);
    });
}

function parseUser(text: string): Invitee {
  try {
    return parseInvitee(text);
  } catch (error) {
    throw error instanceof ChatError ? new InvalidArgumentError(error.message) : error;
  }
}

/** Like `parseUser`, but refuses an id that is probably an email without its @: such a member could never sign in. */
function parseNewUser(text: string): Invitee {
  const user = parseUser(text);
  if ("sub" in user && /^[^|:/]+\.[^|:/]+$/.test(text))
    throw new InvalidArgumentError(`This looks like a mistyped email. If it is a user id, write sub:${text}`);
  return user;
}

const describeUser = (user: Invitee) => ("email" in user ? `email ${user.email}` : `user id ${user.sub}`);

function row({ user, role, joinedAt }: Member) {
  const { email, id, name } = user;
  return { email, id, name, role, joined_at: new Date(joinedAt).toISOString() };
}
