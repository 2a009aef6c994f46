import { jsonZip } from "./source.ts";
import type { ZipFileEntry } from "./zip.ts";

/** Users, channels and direct conversations as a Slack export lists them. */
export const slackLists = {
  "users.json": [
    {
      id: "U1",
      team_id: "T1",
      name: "ada",
      deleted: false,
      real_name: "Ada Lovelace",
      profile: { real_name: "Ada Lovelace", display_name: "ada", email: "Ada@Example.com" },
      is_admin: false,
      is_bot: false,
    },
    { id: "U2", name: "bob", profile: { real_name: "Bob", display_name: "", email: "bob@example.com" } },
    { id: "U3", name: "carol", is_admin: true, profile: { real_name: "Carol", email: "carol@example.com" } },
    { id: "U4", name: "dan", deleted: true, profile: { real_name: "Dan", email: "dan@example.com" } },
    { id: "U5", name: "deploybot", is_bot: true, profile: { real_name: "Deploy Bot", bot_id: "B5" } },
  ],
  "channels.json": [
    {
      id: "C1",
      name: "general",
      created: 1_700_000_000,
      creator: "U1",
      is_archived: false,
      members: ["U1", "U2", "U3", "U4", "U5"],
      topic: { value: "Work", creator: "U1", last_set: 1_700_000_000 },
      purpose: { value: "", creator: "", last_set: 0 },
    },
    { id: "C2", name: "会議", created: 1_700_000_001, creator: "U9", members: ["U2"] },
  ],
  "groups.json": [{ id: "G1", name: "board", created: 1_700_000_002, creator: "U2", members: ["U2", "U3"] }],
  "dms.json": [{ id: "D1", created: 1, members: ["U1", "U2"] }],
  "mpims.json": [
    { id: "G2", name: "mpdm-ada--bob--carol-1", created: 1_700_000_003, members: ["U1", "U2", "U3"] },
  ],
};

/** A Slack export with these files beside the lists. */
export function slackExport(files: Readonly<Record<string, unknown>>, more: readonly ZipFileEntry[] = []) {
  return jsonZip({ ...slackLists, ...files }, more);
}

/** A message of a day's file. Times are seconds since the epoch, with six digits after the point. */
export const slackMessage = (ts: string, text: string, more: object = {}) => ({
  client_msg_id: `id-${ts}`,
  type: "message",
  user: "U1",
  text,
  ts,
  team: "T1",
  ...more,
});
