import { expect, test } from "bun:test";

import * as v from "valibot";

import { explain } from "../../src/protocol/explain.ts";
import { bulkGrantSchema, newRoomSchema, roomRangeSchema } from "../../src/protocol/room-requests.ts";
import { roomIdSchema } from "../../src/protocol/schemas.ts";

test.each<[schema: v.GenericSchema, input: unknown, explanation: string]>([
  [newRoomSchema, {}, "name: is missing"],
  [newRoomSchema, { name: 5 }, "name: must be a string"],
  [newRoomSchema, { name: null }, "name: must be a string"],
  [newRoomSchema, { name: "x", posting: "<script>" }, 'posting: must be "members" or "moderators"'],
  [
    newRoomSchema,
    { name: "x", slow_mode: "5" },
    "slow_mode: must be a whole number of seconds, from 0 to 21600",
  ],
  [bulkGrantSchema, { members: {} }, "members: must be an array"],
  [bulkGrantSchema, { members: [{ who: "a" }, "b"] }, "members.1: must be an object"],
  [
    bulkGrantSchema,
    { members: [{ who: "a", role: "boss" }] },
    'members.0.role: must be "owner" or "moderator" or "member"',
  ],
  [roomRangeSchema, { al: "true" }, "al: is not a known key"],
  [roomRangeSchema, { ["k".repeat(1000)]: "" }, `${"k".repeat(200)}…: is not a known key`],
  [roomRangeSchema, { all: "1" }, "all: must be true or false"],
  [
    roomIdSchema,
    "a b",
    "input: A room id has 1 to 100 letters, digits, dots, underscores and hyphens, and does not begin with a dot.",
  ],
])("refused input is explained in plain words (%#)", (schema, input, explanation) => {
  const { issues } = v.safeParse(schema, input);
  expect(issues && explain(issues, "input")).toBe(explanation);
});
