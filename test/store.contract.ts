import { afterAll, beforeAll, describe } from "bun:test";

import { amendingContract } from "./contract/amending.ts";
import { appendContract } from "./contract/append.ts";
import { marksContract } from "./contract/marks.ts";
import { membersContract } from "./contract/members.ts";
import { modelContract } from "./contract/model.ts";
import { readingContract } from "./contract/reading.ts";
import { rightsContract } from "./contract/rights.ts";
import { roomsContract } from "./contract/rooms.ts";
import { type Made, World } from "./contract/world.ts";

/** What every store must do, as the comments of `Store` say it. */
export function storeContract(name: string, makeStore: () => Promise<Made>): void {
  describe(name, () => {
    let made: Made;
    beforeAll(async () => {
      made = await makeStore();
    });
    afterAll(() => made[Symbol.asyncDispose]());
    const world = () => new World(made);
    appendContract(world);
    amendingContract(world);
    marksContract(world);
    readingContract(world);
    roomsContract(world);
    membersContract(world);
    rightsContract(world);
    modelContract(world);
  });
}
