import { describe, expect, test } from "bun:test";

import { slackSource } from "../../src/transfer/slack/source.ts";
import { slackExport, slackLists, slackMessage } from "../support/slack-export.ts";
import { errorsIn, jsonZip, readAll, recordsOf, skippedIn } from "../support/source.ts";

const ada = { email: "ada@example.com" };
const bob = { email: "bob@example.com" };
const carol = { email: "carol@example.com" };

const read = (files: Readonly<Record<string, unknown>>) => readAll(slackSource(), slackExport(files));

describe("users", () => {
  test("have the email address and the name that Slack shows", async () => {
    const users = recordsOf(await read({}), "user");
    expect(users.map(({ user, name }) => [user, name])).toEqual([
      [ada, "ada"],
      [bob, "Bob"],
      [carol, "Carol"],
      [{ email: "dan@example.com" }, "Dan"],
      [{ sub: "slack:U5" }, "Deploy Bot"],
    ]);
    expect(users[0]).toEqual({
      type: "user",
      user: ada,
      name: "ada",
      email: "ada@example.com",
      emails: [],
      signedIn: false,
    });
  });

  test("without an address get it from the member list, which counts more than the export", async () => {
    const emails = new Map([["U2", "Robert@example.com"]]);
    const items = await readAll(slackSource({ emails }), slackExport({}));
    expect(recordsOf(items, "user").map(({ user }) => user)).toContainEqual({ email: "robert@example.com" });
  });

  test("of other workspaces, bots and integrations are known by their id and the name in their messages", async () => {
    const items = await read({
      "general/2024-01-01.json": [
        slackMessage("1704067200.000100", "from afar", { user: "U77", user_profile: { real_name: "Zoe" } }),
        slackMessage("1704067200.000200", "again", { user: "U77" }),
        {
          type: "message",
          subtype: "bot_message",
          bot_id: "B1",
          username: "CI",
          text: "built",
          ts: "1704067200.000300",
        },
        { type: "message", text: "by whom?", ts: "1704067200.000400" },
      ],
    });
    expect(
      recordsOf(items, "user")
        .slice(5)
        .map(({ user, name }) => [user, name]),
    ).toEqual([
      [{ sub: "slack:U77" }, "Zoe"],
      [{ sub: "slack:B1" }, "CI"],
    ]);
    expect(recordsOf(items, "message").map(({ sender }) => sender)).toEqual([
      { sub: "slack:U77" },
      { sub: "slack:U77" },
      { sub: "slack:B1" },
    ]);
    expect(skippedIn(items)).toMatchObject({ "messages without a sender": 1 });
  });
});

const conversations = { "D1/2024-02-03.json": [], "mpdm-ada--bob--carol-1/2024-02-03.json": [] };

describe("rooms", () => {
  test("are channels, private channels and direct conversations", async () => {
    const rooms = recordsOf(await read(conversations), "room");
    expect(rooms.map(({ id, name, createdAt }) => [id, name, createdAt])).toEqual([
      ["general", "general", 1_700_000_000_000],
      ["C2", "会議", 1_700_000_001_000],
      ["board", "board", 1_700_000_002_000],
      // Slack does not say when a direct conversation began.
      ["dm-D1", "Bob, ada", Date.UTC(2024, 1, 3)],
      ["dm-G2", "Bob, Carol, ada", 1_700_000_003_000],
    ]);
    expect(rooms[0]).toMatchObject({ createdBy: ada, head: null });
    expect(rooms[1]).toMatchObject({ createdBy: null });
    expect(rooms.map(({ direct }) => direct)).toEqual([
      undefined,
      undefined,
      undefined,
      [ada, bob],
      undefined,
    ]);
  });

  test("have members: creators and administrators own channels, nobody owns a conversation", async () => {
    const items = await read(conversations);
    expect(recordsOf(items, "member").map(({ room, user, role }) => [room, user, role])).toEqual([
      ["general", ada, "owner"],
      ["general", bob, "member"],
      ["general", carol, "owner"],
      ["C2", bob, "member"],
      ["board", bob, "owner"],
      ["board", carol, "owner"],
      ["dm-D1", ada, "member"],
      ["dm-D1", bob, "member"],
      ["dm-G2", ada, "member"],
      ["dm-G2", bob, "member"],
      ["dm-G2", carol, "member"],
    ]);
    expect(skippedIn(items)).toEqual({ "memberships of bots, deactivated users and other workspaces": 2 });
  });

  test("take their id where two channels have one name", async () => {
    const items = await read({ "groups.json": [{ id: "G9", name: "general", members: [] }] });
    expect(recordsOf(items, "room").map(({ id }) => id)).toEqual(["general", "C2", "G9"]);
    expect(skippedIn(items)).toMatchObject({ "direct conversations without messages": 2 });
  });

  test("get the messages of their folder, named after the channel or its id", async () => {
    const items = await read({
      "会議/2024-01-01.json": [slackMessage("1704067200.000100", "a")],
      "D1/2024-01-01.json": [slackMessage("1704067200.000100", "b")],
      "mpdm-ada--bob--carol-1/2024-01-01.json": [slackMessage("1704067200.000100", "c")],
      "FC:F1:canvas/2024-01-01.json": [slackMessage("1704067200.000100", "d")],
      "__uploads/F1/a.json": "no JSON",
      "integration_logs.json": [],
      "canvases.json": {},
    });
    expect(recordsOf(items, "message").map(({ room, text }) => [room, text])).toEqual([
      ["C2", "a"],
      ["dm-D1", "b"],
      ["dm-G2", "c"],
    ]);
    expect(skippedIn(items)).toMatchObject({ "files of channels that the export does not list": 1 });
    expect(errorsIn(items)).toEqual([]);
  });

  test("are found in an export that was packed again inside a folder", async () => {
    const day = [slackMessage("1704067200.000100", "hi")];
    const files = { "general/2024-01-01.json": day, "D1/2024-01-01.json": day, ...slackLists };
    const moved = Object.fromEntries(
      Object.entries(files).map(([name, value]) => [`acme export/${name}`, value]),
    );
    const items = await readAll(slackSource(), jsonZip({ "__MACOSX/users.json": "x", ...moved }));
    expect(recordsOf(items, "message").map(({ room }) => room)).toEqual(["general", "dm-D1"]);
    expect(recordsOf(items, "room").map(({ id }) => id)).toContain("dm-D1");
  });
});

const messages = async (...list: unknown[]) => {
  const items = await read({ "general/2024-01-01.json": list });
  return { items, records: recordsOf(items, "message") };
};

describe("messages", () => {
  test("keep their key, their time to the millisecond, and the time of their last edit", async () => {
    const { records } = await messages(
      slackMessage("1704067200.129900", "hi", { edited: { user: "U1", ts: "1704067300.000000" } }),
    );
    expect(records).toEqual([
      {
        type: "message",
        room: "general",
        sender: ada,
        text: "hi",
        sentAt: 1_704_067_200_129,
        editedAt: 1_704_067_300_000,
        deletedAt: null,
        replyTo: null,
        clientId: "1704067200.129900",
        meta: null,
        position: null,
      },
    ]);
  });

  test("in threads are replies to the root, also where they were sent to the channel too", async () => {
    const root = { thread_ts: "1704067200.000100", reply_count: 2, replies: [] };
    const { records } = await messages(
      slackMessage("1704067200.000100", "root", root),
      slackMessage("1704067200.000200", "reply", { thread_ts: "1704067200.000100", parent_user_id: "U1" }),
      slackMessage("1704067200.000300", "broadcast", {
        subtype: "thread_broadcast",
        thread_ts: "1704067200.000100",
        root: { ts: "1704067200.000100" },
      }),
    );
    expect(records.map(({ text, replyTo }) => [text, replyTo])).toEqual([
      ["root", null],
      ["reply", { key: "1704067200.000100" }],
      ["broadcast", { key: "1704067200.000100" }],
    ]);
  });

  test("reply to a root that comes in a later file, and to nothing where the root is missing", async () => {
    const items = await read({
      "general/2024-01-03.json": [
        slackMessage("1704240000.000100", "late", {
          thread_ts: "1704067200.000100",
          reactions: [{ name: "tada", users: ["U2"] }],
        }),
        slackMessage("1704240000.000200", "orphan", { thread_ts: "1600000000.000100" }),
        slackMessage("1704240000.000300", "to a deleted one", { thread_ts: "1704067200.000200" }),
      ],
      "general/2024-01-01.json": [
        slackMessage("1704067200.000100", "root"),
        slackMessage("1704067200.000200", "This message was deleted.", {
          subtype: "tombstone",
          hidden: true,
        }),
      ],
    });
    const replies = recordsOf(items, "message").map(({ text, replyTo }) => [text, replyTo]);
    expect(new Map(replies as [string, unknown][])).toEqual(
      new Map<string, unknown>([
        ["root", null],
        ["late", { key: "1704067200.000100" }],
        ["orphan", null],
        ["to a deleted one", null],
      ]),
    );
    expect(recordsOf(items, "reaction")).toHaveLength(1);
    expect(skippedIn(items)).toMatchObject({ "deleted messages": 1 });
  });

  test("that stand in two files are read once", async () => {
    const broadcast = slackMessage("1704067200.000200", "both", { thread_ts: "1704067200.000100" });
    const items = await read({
      "general/2024-01-01.json": [slackMessage("1704067200.000100", "root"), broadcast],
      "general/2024-01-02.json": [{ ...broadcast, subtype: "thread_broadcast" }],
      "board/2024-01-01.json": [slackMessage("1704067200.000100", "another room")],
    });
    expect(recordsOf(items, "message").map(({ text }) => text)).toEqual(["root", "both", "another room"]);
    expect(skippedIn(items)).toMatchObject({ "copies of messages that are in the export already": 1 });
  });

  test("have reactions as emoji or as a short word, once per user", async () => {
    const { items } = await messages(
      slackMessage("1704067200.000100", "hi", {
        reactions: [
          { name: "+1", users: ["U1", "U2"], count: 2 },
          { name: "thumbsup", users: ["U1"], count: 1 },
          { name: "wave::skin-tone-4", users: ["U2"], count: 1 },
          { name: "acme-party", users: ["U77"], count: 1 },
          { name: "a name that is no emoji", users: ["U1"], count: 1 },
        ],
      }),
    );
    expect(recordsOf(items, "reaction").map(({ emoji, user, message }) => [emoji, user, message])).toEqual([
      ["👍", ada, { key: "1704067200.000100" }],
      ["👍", bob, { key: "1704067200.000100" }],
      ["👋🏽", bob, { key: "1704067200.000100" }],
      [":acme-party:", { sub: "slack:U77" }, { key: "1704067200.000100" }],
    ]);
    expect(skippedIn(items)).toMatchObject({ "reactions that are not emoji": 1 });
  });

  test("name their files with a link that does not carry the secret of the export", async () => {
    const { records } = await messages(
      slackMessage("1704067200.000100", "two files", {
        files: [
          {
            id: "F1",
            name: "a.pdf",
            title: "Plan",
            url_private: "https://files.slack.com/files-pri/T1-F1/a.pdf?t=xoxe-123-456",
            url_private_download: "https://files.slack.com/files-pri/T1-F1/download/a.pdf?t=xoxe-123-456",
          },
          { id: "F2", name: "b.pdf", permalink: "https://acme.slack.com/files/U1/F2/b.pdf" },
          { id: "F3", mode: "hidden_by_limit" },
          { id: "F4", mode: "tombstone" },
        ],
      }),
      slackMessage("1704067200.000200", "", { files: [{ id: "F3", mode: "hidden_by_limit" }] }),
    );
    expect(records.map(({ text }) => text)).toEqual([
      "two files\nPlan: https://files.slack.com/files-pri/T1-F1/a.pdf\nb.pdf: https://acme.slack.com/files/U1/F2/b.pdf",
    ]);
  });

  test("have the text of cards and blocks, and no previews of links", async () => {
    const { records } = await messages(
      {
        type: "message",
        subtype: "bot_message",
        bot_id: "B1",
        username: "CI",
        ts: "1704067200.000100",
        text: "",
        attachments: [
          {
            title: "Build 7",
            title_link: "https://ci.example.com/7",
            text: "failed: <https://x.org|log> &amp; more",
            fields: [
              { title: "Branch", value: "main" },
              { title: "Tries", value: 3 },
            ],
          },
        ],
      },
      slackMessage("1704067200.000200", "see <https://a.org>", {
        attachments: [{ from_url: "https://a.org", title: "A page" }],
      }),
      slackMessage("1704067200.000300", "", {
        attachments: [
          {
            is_share: true,
            from_url: "https://acme.slack.com/archives/C1/p1",
            author_name: "Bob",
            text: "shared",
          },
        ],
      }),
      {
        type: "message",
        bot_id: "B2",
        ts: "1704067200.000400",
        text: "",
        blocks: [
          { type: "header", text: { type: "plain_text", text: "Deploy &amp; co" } },
          {
            type: "section",
            text: { type: "mrkdwn", text: "by <@U2>" },
            fields: [{ type: "mrkdwn", text: "*v1*" }],
          },
          {
            type: "rich_text",
            elements: [
              {
                type: "rich_text_section",
                elements: [
                  { type: "text", text: "to " },
                  { type: "channel", channel_id: "C2" },
                  { type: "emoji", name: "rocket" },
                ],
              },
              {
                type: "rich_text_list",
                elements: [
                  {
                    type: "rich_text_section",
                    elements: [{ type: "link", url: "https://a.org", text: "one" }],
                  },
                ],
              },
            ],
          },
          { type: "actions", elements: [] },
        ],
      },
    );
    expect(records.map(({ text }) => text)).toEqual([
      "Build 7 (https://ci.example.com/7)\nfailed: log (https://x.org) & more\nBranch: main\nTries: 3",
      "see https://a.org",
      "Bob\nshared",
      "Deploy &amp; co\nby @Bob\n*v1*\nto #会議🚀\n• one (https://a.org)",
    ]);
  });

  test("that are notices or have no visible text are left out and counted", async () => {
    const { items, records } = await messages(
      {
        type: "message",
        subtype: "channel_join",
        user: "U1",
        text: "<@U1> has joined the channel",
        ts: "1704067200.000100",
      },
      {
        type: "message",
        subtype: "channel_topic",
        user: "U1",
        text: "set the topic",
        ts: "1704067200.000200",
      },
      { type: "message", subtype: "pinned_item", user: "U1", text: "pinned", ts: "1704067200.000300" },
      { type: "message", subtype: "message_changed", hidden: true, message: {}, ts: "1704067200.000400" },
      slackMessage("1704067200.000500", " \u200b\n"),
      { type: "presence_change" },
      slackMessage("1704067200.000600", "waves", { subtype: "me_message" }),
      slackMessage("1704067200.000700", "a kind of the future", { subtype: "hologram" }),
    );
    expect(records.map(({ text }) => text)).toEqual(["waves", "a kind of the future"]);
    expect(skippedIn(items)).toMatchObject({
      "notices of joining and leaving": 1,
      "notices of changes to a channel": 1,
      "other notices": 1,
      "records of edits and replies": 1,
      "messages without visible text": 1,
      "items that are not messages": 1,
    });
  });
});
