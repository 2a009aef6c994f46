import { join } from "node:path";

import { fillRooms, type RoomSeed } from "./seed.ts";
import { CROWD_SIZE, email, type Testbed, usersBetween } from "./testbed.ts";

const COMPANY_ROOMS = 10;
export const DEPARTMENTS = 10;
const ROOMS_PER_DEPARTMENT = 90;
const MESSAGES_PER_ROOM = 20;

/** Rooms of each user. */
export const ROOMS_PER_USER = COMPANY_ROOMS + ROOMS_PER_DEPARTMENT;
/** A room of everyone in the company. */
export function companyRoom(index: number): string {
  return `company${index}`;
}

/** A room of those users whose number has this remainder. */
export function departmentRoom(department: number, index = 0): string {
  return `department${department}-${index}`;
}

/**
 * Creates the database of a company, unless it is there. Each user is in the rooms of everyone, and in those of their
 * department. Returns its path.
 */
export async function companyDatabase({ folder }: Testbed): Promise<string> {
  const path = join(folder, "company.db");
  if (await Bun.file(path).exists()) return path;
  const users = usersBetween(0, CROWD_SIZE);
  const rooms: RoomSeed[] = [];
  for (let index = 0; index < COMPANY_ROOMS; index++)
    rooms.push({ id: companyRoom(index), members: users.map(email), messages: MESSAGES_PER_ROOM });
  for (let department = 0; department < DEPARTMENTS; department++) {
    const members = users.filter((user) => user % DEPARTMENTS === department).map(email);
    for (let index = 0; index < ROOMS_PER_DEPARTMENT; index++)
      rooms.push({ id: departmentRoom(department, index), members, messages: MESSAGES_PER_ROOM });
  }
  fillRooms(path, rooms);
  return path;
}
