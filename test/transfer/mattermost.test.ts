import { describe, expect, test } from "bun:test";

import { readMattermost } from "../../src/transfer/mattermost/source.ts";
import { SourceError } from "../../src/transfer/source.ts";
import { mattermostExport, mattermostHead, postLine } from "../support/mattermost-export.ts";
import { errorsIn, readAll, recordsOf, skippedIn } from "../support/source.ts";
import { buildZip } from "../support/zip.ts";

const ada = { email: "ada@example.com" };
const bob = { email: "bob@example.com" };
const start = 1_704_067_200_000;

const read = (...lines: (object | string)[]) => readAll(readMattermost, mattermostExport(...lines));
const messages = async (...lines: (object | string)[]) => recordsOf(await read(...lines), "message");

test("users have their email address; bots and users without one their user name", async () => {
  const items = await read({ type: "user", user: { username: "calls", email: "calls@localhost" } });
  expect(recordsOf(items, "user").map(({ user, name }) => [user, name])).toEqual([
    [ada, "Ada Lovelace"],
    [bob, "Bobby"],
    [{ email: "dan@example.com" }, "dan"],
    [{ sub: "mattermost:deploybot" }, "Deploy Bot"],
    [{ sub: "mattermost:calls" }, "calls"],
  ]);
});

describe("rooms", () => {
  test("are the channels of all teams, as old as their first message", async () => {
    const items = await read(
      { type: "channel", channel: { team: "other-team", name: "town-square", display_name: "Town Square" } },
      postLine(start + 5, "second"),
      postLine(start, "first"),
    );
    const exported = Date.parse("2024-06-01T10:00:00.5Z");
    expect(recordsOf(items, "room").map(({ id, name, createdAt }) => [id, name, createdAt])).toEqual([
      ["acme.town-square", "Town Square", start],
      ["acme.quiet", "quiet", exported],
      ["other-team.town-square", "Town Square", exported],
    ]);
  });

  test("have members; channel admins own their channels", async () => {
    const items = await read(postLine(start, "first"));
    expect(recordsOf(items, "member")).toEqual([
      { type: "member", room: "acme.town-square", user: ada, role: "owner", joinedAt: start },
      { type: "member", room: "acme.town-square", user: bob, role: "member", joinedAt: start },
    ]);
    expect(skippedIn(items)).toEqual({ "memberships of bots and deactivated users": 1 });
  });

  test("are direct conversations too, whatever the order of their members", async () => {
    const members = ["bob", "ada"];
    const post = { user: "bob", message: "hi", create_at: start, reactions: null, replies: null };
    const items = await read(
      { type: "direct_channel", direct_channel: { members, header: "" } },
      { type: "direct_channel", direct_channel: { participants: [{ username: "ada" }] } },
      { type: "direct_post", direct_post: { channel_members: ["ada", "bob"], ...post } },
      { type: "direct_post", direct_post: { channel_members: ["ada", "ada"], ...post, user: "ada" } },
    );
    const [two, alone] = recordsOf(items, "room").slice(2);
    expect([two?.name, alone?.name]).toEqual(["Ada Lovelace, Bobby", "Ada Lovelace"]);
    expect(two?.id).toMatch(/^dm-[0-9a-f]{16}$/);
    expect([two?.direct, alone?.direct]).toEqual([[bob, ada], undefined]);
    expect(recordsOf(items, "message").map(({ room, sender }) => [room, sender])).toEqual([
      [two?.id ?? "", bob],
      [alone?.id ?? "", ada],
    ]);
    const members2 = recordsOf(items, "member").filter(({ room }) => room.startsWith("dm-"));
    expect(members2.map(({ room, user, role }) => [room, user, role])).toEqual([
      [two?.id ?? "", bob, "member"],
      [two?.id ?? "", ada, "member"],
      [alone?.id ?? "", ada, "member"],
    ]);
  });

  test("are plain rooms where one of two cannot sign in", async () => {
    const post = { user: "ada", message: "hi", create_at: start, reactions: null, replies: null };
    const items = await read({
      type: "direct_post",
      direct_post: { channel_members: ["ada", "nobody"], ...post },
    });
    const room = recordsOf(items, "room").at(-1);
    expect([room?.name, room?.direct]).toEqual(["Ada Lovelace, nobody", undefined]);
  });

  test("are not made of direct conversations without messages", async () => {
    const items = await read({ type: "direct_channel", direct_channel: { members: ["ada", "bob"] } });
    expect(recordsOf(items, "room")).toHaveLength(2);
    expect(recordsOf(items, "member").filter(({ room }) => room.startsWith("dm-"))).toEqual([]);
    expect(skippedIn(items)).toMatchObject({ "direct conversations without messages": 1 });
  });

  test("with a name that is no room id have another id", async () => {
    const name = "n".repeat(64);
    const items = await read({
      type: "channel",
      channel: { team: "t".repeat(64), name, display_name: "Long" },
    });
    expect(
      recordsOf(items, "room")
        .map(({ id }) => id)
        .at(-1),
    ).toMatch(/^channel-[0-9a-f]{16}$/);
  });
});

describe("messages", () => {
  test("keep their time, edits, replies and reactions", async () => {
    const reactions = [
      { user: "bob", emoji_name: "tada", create_at: start + 2 },
      { user: "bob", emoji_name: "tada", create_at: start + 3 },
      { user: "gone", emoji_name: "acme", create_at: start + 2 },
    ];
    const replies = [{ user: "bob", message: "reply", create_at: start + 1, edit_at: start + 9, reactions }];
    const items = await read(postLine(start, "root :+1:", { replies, reactions: [] }));
    const [root, reply] = recordsOf(items, "message");
    expect(root).toEqual({
      type: "message",
      room: "acme.town-square",
      sender: ada,
      text: "root 👍",
      sentAt: start,
      editedAt: null,
      deletedAt: null,
      replyTo: null,
      clientId: expect.stringMatching(new RegExp(`^${start}-[0-9a-f]{16}$`)),
      meta: null,
      position: null,
    });
    expect(reply).toMatchObject({ sender: bob, text: "reply", editedAt: start + 9 });
    expect(reply?.replyTo).toEqual({ key: root?.clientId ?? "" });
    const message = { key: reply?.clientId ?? "" };
    expect(recordsOf(items, "reaction").map((record) => [record.message, record.emoji, record.user])).toEqual(
      [
        [message, "🎉", bob],
        [message, ":acme:", { sub: "mattermost:gone" }],
      ],
    );
  });

  test("of one millisecond have different keys, which stay the same in a longer export", async () => {
    const lines = [postLine(start, "a"), postLine(start, "b"), postLine(start, "c", { user: "bob" })];
    const keys = (await messages(...lines)).map(({ clientId }) => clientId);
    expect(new Set(keys).size).toBe(3);
    expect(keys[1]).toBe(`${keys[0]}-2`);
    const elsewhere = postLine(start, "d", { channel: "quiet" });
    const longer = await messages(elsewhere, ...lines, postLine(start + 1, "e"));
    expect(longer.map(({ clientId }) => clientId).slice(1, 4)).toEqual(keys);
    expect(longer[0]?.clientId).toBe(keys[0] ?? "");
    // The author of a post is part of its key: that of another one stays when a post is deleted.
    expect((await messages(postLine(start, "c", { user: "bob" })))[0]?.clientId).toBe(keys[2] ?? "");
    // Not their address, which may change.
    const moved = mattermostExport(...lines).replace("BOB@example.com", "bob@new.example.com");
    const [, , last] = recordsOf(await readAll(readMattermost, moved), "message");
    expect(last).toMatchObject({ sender: { email: "bob@new.example.com" }, clientId: keys[2] });
  });

  test("name their attachments, and have the text of cards", async () => {
    const path = "data/20240501/teams/noteam/channels/c/users/u/f/plan.pdf";
    const [files, card] = await messages(
      postLine(start, "", { attachments: [{ path }] }),
      postLine(start + 1, "", {
        type: "slack_attachment",
        props: {
          attachments: [{ pretext: "Build", title: "7", title_link: "https://ci.org/7", text: "**failed**" }],
        },
      }),
    );
    expect(files?.text).toBe("Attachment: plan.pdf");
    expect(card?.text).toBe("Build\n7 (https://ci.org/7)\n**failed**");
  });

  test("of webhooks are from the name that they were shown with", async () => {
    const props = { from_webhook: "true", override_username: "CI", override_icon_url: "" };
    const items = await read(postLine(start, "built", { props }), postLine(start, "again", { props }));
    expect(recordsOf(items, "message").map(({ sender }) => sender)).toEqual([
      { sub: "mattermost:webhook:CI" },
      { sub: "mattermost:webhook:CI" },
    ]);
    expect(recordsOf(items, "user").filter(({ name }) => name === "CI")).toHaveLength(1);
  });

  test("that are notices or have no visible text are left out and counted; their replies stay", async () => {
    const items = await read(
      postLine(start, "bob joined", {
        type: "system_join_channel",
        replies: [{ user: "ada", message: "welcome", create_at: start + 1 }],
      }),
      postLine(start, "header", { type: "system_header_change" }),
      postLine(start, "x", { type: "system_generic" }),
      postLine(start, "\u200b"),
      postLine(start, "poll", { type: "custom_matterpoll" }),
      postLine(start, "lost", { channel: "gone" }),
      { type: "emoji", emoji: { name: "acme", image: "a.png" } },
      { type: "hologram", hologram: {} },
    );
    expect(recordsOf(items, "message").map(({ text, replyTo }) => [text, replyTo])).toEqual([
      ["welcome", null],
      ["poll", null],
    ]);
    expect(skippedIn(items)).toEqual({
      "memberships of bots and deactivated users": 1,
      "notices of joining and leaving": 1,
      "notices of changes to a channel": 1,
      "other notices": 1,
      "messages without visible text": 1,
      "posts of channels that are not in the file": 1,
      "lines of unknown kinds": 1,
    });
    expect(errorsIn(items)).toEqual([]);
  });
});

/** The reason why a file is refused as a whole. */
const refusal = async (content: string | Uint8Array<ArrayBuffer>) => {
  const error = await readAll(readMattermost, content).catch((thrown: unknown) => thrown);
  if (!(error instanceof SourceError)) throw error;
  return error.message.replace(/^\S+( is|, import.jsonl is| not)/, "…$1");
};

describe("files", () => {
  test("may be the zip file of mmctl", async () => {
    const zip = buildZip([
      { name: "data/20240501/a.jsonl", content: "x" },
      { name: "import.jsonl", content: mattermostExport(postLine(start, "zipped")) },
    ]);
    expect(recordsOf(await readAll(readMattermost, zip), "message").map(({ text }) => text)).toEqual([
      "zipped",
    ]);
  });

  test("that are no bulk export are refused", async () => {
    expect(await refusal("")).toBe("… is empty.");
    expect(await refusal("\n\n")).toBe("… is empty.");
    const noVersion = "is not a Mattermost bulk export: its first line is not the version.";
    expect(await refusal("[]")).toContain(noVersion);
    expect(await refusal('{"type":"post"}')).toContain(noVersion);
    expect(await refusal('{"type":"version","version":2}')).toContain(
      "a version of Mattermost's bulk format",
    );
    expect(await refusal(buildZip([{ name: "a.txt", content: "x" }]))).toContain(
      "it has no file import.jsonl",
    );
    const encrypted = [{ name: "import.jsonl", content: mattermostExport(), encrypted: true }];
    expect(await refusal(buildZip(encrypted))).toContain("It is encrypted.");
    const whole = buildZip([{ name: "import.jsonl", content: mattermostExport() }]);
    expect(await refusal(whole.slice(0, whole.length - 40))).toContain("is not a whole zip file");
    const lying = [
      { name: "import.jsonl", content: mattermostExport(postLine(start, "x")), declaredBytes: 50 },
    ];
    expect(await refusal(buildZip(lying))).toContain("too many bytes");
  });

  test("name the line of every error, and the rest is read", async () => {
    const line = mattermostHead.length;
    const items = await read(
      { type: "channel", channel: { team: "acme" } },
      "no JSON",
      "",
      postLine(start, "good", {
        replies: [
          { user: "bob", message: "no time" },
          { user: "bob", message: "fine", create_at: start },
        ],
      }),
      postLine(-1, "before time"),
      { type: "user", user: { username: "late" } },
      '{"type":"post","post":{"team":"acm',
    );
    expect(recordsOf(items, "message").map(({ text }) => text)).toEqual(["good", "fine"]);
    expect(errorsIn(items).map((error) => error.slice(0, 60))).toEqual([
      expect.stringContaining(`line ${line + 1}: name: `),
      expect.stringContaining(`line ${line + 2}: Not valid JSON: `),
      expect.stringContaining(`line ${line + 4}, reply 1: create_at: `),
      expect.stringContaining(`line ${line + 5}: create_at: `),
      expect.stringContaining(`line ${line + 6}: This user comes after posts. `),
      expect.stringContaining(`line ${line + 7}: Not valid JSON: `),
    ]);
  });
});
