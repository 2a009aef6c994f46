import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { type Actor, operator, type Room } from "../../src/chat/model.ts";
import { matchText } from "../../src/chat/search-match.ts";
import { parseQuery } from "../../src/chat/search-query.ts";
import { range, send } from "../support/samples.ts";
import type { SearchHarness } from "../support/search-harness.ts";
import { subOf } from "./store-harness.ts";

/** What every search index must do, as the comments of `SearchIndex` promise it. */
export function searchContract(harness: () => SearchHarness): void {
  /** A room of one member, with these messages in the index. */
  async function say(...texts: string[]): Promise<{ h: SearchHarness; ann: Actor; room: Room }> {
    const h = harness();
    const ann = await h.user();
    const room = await h.room(ann);
    await h.act(room, ann, ...texts.map((text) => send(text)));
    await h.indexAll();
    return { h, ann, room };
  }

  test.each([
    ["two words in any order", "deploy failed", "It failed to DEPLOY", "deploy is done"],
    ["a phrase", '"deploy failed"', "the deploy failed again", "failed to deploy, deploy has failed"],
    ["the beginning of a word", "deplo*", "Deployment", "employ"],
    ["a beginning of three letters", "dep*", "Deployment", "de ploy"],
    ["a beginning of four letters", "depl*", "Deployment", "Department"],
    ["a beginning of five letters", "deplo*", "Deployment", "deply"],
    ["a beginning of six letters", "deploy*", "Deployment", "deplore"],
    ["a phrase with a beginning at its end", '"new deplo"*', "the new deployment", "deployment, new deposit"],
    [
      "a long phrase",
      `"${"one two three four five six seven eight nine ten eleven".split(" ").join(" ")}"`,
      "so: one two three four five six seven eight nine ten eleven!",
      "eleven one two three four five six seven eight nine ten",
    ],
    ["words of a URL", "example.com/a-b", "see https://example.com/a-b?c", "example com a c b"],
    ["accents or none", "cafe", "Café", "caffe"],
    ["German", "strasse", "Große Straße", "strass"],
    ["Greek", "ΣΟΦΟΣ", "σοφός", "σοφη"],
    ["Russian", "привет*", "Приветствую", "привёл"],
    ["Turkish", "istanbul", "İstanbul", "Isparta"],
    ["Turkish without dots", "ışık", "IŞIK", "ışın"],
    ["Arabic without vowel signs", "محمد", "قال مُحَمَّدٌ", "محمود"],
    ["Hebrew without points", "שלום", "שָׁלוֹם", "שלוש"],
    ["Hindi", "नमस्ते", "नमस्ते दुनिया", "नमक"],
    ["two characters of Chinese", "北京", "我昨天去了北京大学", "东京和北方"],
    ["a longer run of Chinese", "北京大学", "我在北京大学读书", "北京的大学 京大"],
    ["one character of Chinese beside a word", "学 ok", "北京大学 ok", "北京 ok"],
    ["Japanese", "東京タワー", "昨日は東京タワーに行った", "東京のタワ"],
    ["half-width kana", "ガイド", "ｶﾞｲﾄﾞ", "カイト"],
    ["Korean, with a particle", "학교", "어제 학교에서 만났다", "학생이 교실에"],
    ["Korean as its parts", "학교", "학교에서".normalize("NFD"), "학생"],
    ["Thai", "ไทย", "ภาษาไทยยาก", "ไท ย"],
    ["an emoji of any skin tone", "👍", "ok 👍🏽", "ok 👎"],
    ["a flag", "🇩🇪", "go 🇩🇪!", "🇫🇷"],
    ["a family", "👨‍👩‍👧", "my 👨‍👩‍👧", "👨 👩 👧"],
    ["several scripts", "iphone手机", "新的iPhone手机", "手机iphone"],
  ])("finds %s", async (_, query, match, other) => {
    const { h, ann } = await say(match, other);
    expect(await h.found(ann, query)).toEqual([match]);
  });

  test("finds a message once the index has been updated", async () => {
    const { h, ann, room } = await say();
    await h.act(room, ann, send("fresh"));
    expect(await h.found(ann, "fresh")).toEqual([]);
    h.index.roomChanged(room.key);
    while (await h.index.update());
    expect(await h.found(ann, "fresh")).toEqual(["fresh"]);
  });

  test("marks what it has found in the message", async () => {
    const { h, ann } = await say("She said: the Deploy, failed! Deploy again.");
    const [result] = (await h.page(ann, '"deploy failed" again')).results;
    const { text, hits } = result?.snippet ?? { text: "", hits: [] };
    expect(hits.map(([start, end]) => text.slice(start, end))).toEqual(["Deploy, failed", "again"]);
  });

  test("searches only the rooms that the user is a member of", async () => {
    const { h, ann, room } = await say("secret plan");
    const [bob, carol] = [await h.user(), await h.user()];
    const other = await h.room(bob, carol);
    await h.act(other, bob, send("secret party"));
    await h.indexAll();
    expect(await h.found(bob, "secret")).toEqual(["secret party"]);
    await h.grant(room, subOf(bob));
    expect(new Set(await h.found(bob, "secret"))).toEqual(new Set(["secret party", "secret plan"]));
    await h.remove(other, subOf(bob));
    expect(await h.found(bob, "secret")).toEqual(["secret plan"]);
    expect(await h.found(await h.user(), "secret")).toEqual([]);
    // An administrator searches their own rooms, or the one that they name.
    const admin = { ...(await h.user()), admin: true };
    expect(await h.found(admin, "secret")).toEqual([]);
    expect(await h.found(admin, "secret", { room: other.id })).toEqual(["secret party"]);
    expect(await h.found(ann, "secret", { room: room.id })).toEqual(["secret plan"]);
  });

  test("finds the rooms of a user who is in many", async () => {
    const h = harness();
    const [ann, bob] = [await h.user(), await h.user()];
    const rooms = await Promise.all(range(1, 20).map(() => h.room(ann, bob)));
    for (const room of rooms) await h.act(room, bob, send("many rooms"));
    await h.indexAll();
    const last = rooms.at(-1) as Room;
    await h.remove(last, subOf(ann));
    expect((await h.results(ann, "many")).toSorted()).toEqual(
      rooms
        .slice(0, -1)
        .map(({ id }) => `${id}/1`)
        .toSorted(),
    );
  });

  test("a room that does not exist and one of others are refused alike", async () => {
    const { h, room } = await say("secret");
    const stranger = await h.user();
    const refusals = [room.id, h.name("none")].map(async (id) => h.page(stranger, "x", { room: id }));
    const [first, second] = await Promise.allSettled(refusals);
    expect(first).toMatchObject({ status: "rejected", reason: { code: "room_not_found" } });
    expect(second).toEqual(first as never);
  });

  test("from: means an email, an id or a name", async () => {
    const h = harness();
    const name = h.name("nora");
    const nora = {
      ...(await h.store.signIn({ sub: `sub|${name}`, email: `${name}@example.com`, name: "Nora Ek" })),
      admin: false,
    };
    const bob = await h.user();
    const room = await h.room(nora, bob);
    await h.act(room, nora, send("lunch of Nora"));
    await h.act(room, bob, send("lunch of Bob"));
    await h.indexAll();
    for (const from of [`sub|${name}`, `${name}@EXAMPLE.com`, "nora", '"nora ek"'])
      expect(await h.found(bob, `lunch from:${from}`)).toEqual(["lunch of Nora"]);
    expect(await h.found(bob, "lunch", { from: "Nora Ek" })).toEqual(["lunch of Nora"]);
    expect(await h.found(bob, "lunch from:ek-nora")).toEqual([]);
    expect(h.page(bob, "lunch from:a", { from: "b" })).rejects.toMatchObject({ code: "invalid_command" });
  });

  test("before and after are exclusive, and belong to a room", async () => {
    const { h, ann, room } = await say(...range(1, 30).map((n) => `line ${n}`));
    const seqs = async (options: { before?: number; after?: number }) =>
      (await h.results(ann, "line", { room: room.id, ...options })).map((each) => Number(each.split("/")[1]));
    expect(await seqs({ before: 4 })).toEqual([3, 2, 1]);
    expect(await seqs({ after: 27 })).toEqual([30, 29, 28]);
    expect(await seqs({ after: 10, before: 13 })).toEqual([12, 11]);
    expect(await seqs({ after: 12, before: 10 })).toEqual([]);
    expect(await seqs({ after: 30 })).toEqual([]);
    expect(await seqs({ before: 999_999_999_999_999 })).toHaveLength(30);
    expect(h.page(ann, "line", { before: 4 })).rejects.toMatchObject({ code: "invalid_command" });
  });

  test("follows edits and deletions, also of messages that are not yet in the index", async () => {
    const { h, ann, room } = await say("apple one", "apple two", "apple three");
    await h.act(room, ann, send("apple four"), send("apple five"));
    await h.act(
      room,
      ann,
      { type: "edit", seq: 1, text: "pear one" },
      { type: "edit", seq: 1, text: "pear first" },
      { type: "delete", seq: 2 },
      { type: "edit", seq: 4, text: "pear four" },
      { type: "delete", seq: 5 },
      { type: "react", seq: 3, emoji: "👍", on: true },
    );
    // The index still has the old texts, and nobody is shown what is no longer there.
    expect(await h.found(ann, "apple")).toEqual(["apple three"]);
    await h.indexAll();
    expect(await h.found(ann, "apple")).toEqual(["apple three"]);
    expect(await h.found(ann, "pear")).toEqual(["pear four", "pear first"]);
    expect(await h.found(ann, "one")).toEqual([]);
  });

  test("a deleted room is not found, before and after it is purged, nor in one of the same name", async () => {
    const { h, ann, room } = await say(...range(1, 200).map((n) => `gone ${n}`));
    await h.delete(room);
    expect(await h.found(ann, "gone")).toEqual([]);
    const again = await h.createRoom(room.id, ann);
    while (await h.store.purge());
    await h.indexAll();
    expect(await h.found(ann, "gone")).toEqual([]);
    await h.act(again, ann, send("gone again"));
    await h.indexAll();
    expect(await h.found(ann, "gone")).toEqual(["gone again"]);
  });

  test("ranks by how often and how densely words occur, and newer messages first among equals", async () => {
    const long = "plan ".concat("and many other words ".repeat(9));
    const { h, ann } = await say("plan plan plan", "the plan is here", long, "the plan is there");
    expect(await h.found(ann, "plan")).toEqual([
      "plan plan plan",
      "the plan is there",
      "the plan is here",
      long,
    ]);
  });

  describe("pages", () => {
    test("have all results once, however small they are, while messages arrive", async () => {
      const { h, ann, room } = await say(...range(1, 1300).map((n) => `page ${n % 7 ? "" : "page"} ${n}`));
      const expected = range(1, 1300).map((seq) => `${room.id}/${seq}`);
      const found: string[] = [];
      let cursor: string | null | undefined;
      // No page runs out of time, however busy the machine is.
      const search = h.withClock(() => 0);
      for (let page = 0; cursor !== null; page++) {
        const { results, next } = await search.page(ann, "page", { cursor, limit: 37 });
        found.push(...results.map((each) => `${each.room}/${each.message.seq}`));
        cursor = next;
        if (page > 3) continue;
        await h.act(room, ann, send("page page page page"));
        await h.indexAll();
      }
      expect(found).toHaveLength(1300);
      expect(new Set(found)).toEqual(new Set(expected));
    });

    test("lose nothing else when results are deleted or edited in between", async () => {
      const { h, ann, room } = await say(...range(1, 60).map((n) => `item ${n}`));
      const first = await h.page(ann, "item", { limit: 10 });
      // The last result so far, the first and the last one of all, and one in between.
      for (const seq of [51, 60, 1, 30]) await h.act(room, ann, { type: "delete", seq });
      await h.act(room, ann, { type: "edit", seq: 31, text: "something else" });
      await h.indexAll();
      const rest = await h.results(ann, "item", { cursor: first.next ?? "", limit: 7 });
      expect(rest).toEqual(
        range(2, 50)
          .filter((seq) => seq !== 30 && seq !== 31)
          .toReversed()
          .map((seq) => `${room.id}/${seq}`),
      );
    });

    test("go on where a search ran out of time", async () => {
      const { h, ann, room } = await say(...range(1, 250).map((n) => `slow ${n}`));
      const bob = await h.user();
      const [own, foreign] = [await h.room(ann), await h.room(bob)];
      for (const [each, sender] of [
        [foreign, bob],
        [own, ann],
        [foreign, bob],
      ] as const)
        await h.act(each, sender, ...range(1, 250).map((n) => send(`slow ${n}`)));
      await h.indexAll();
      let now = 0;
      const slow = h.withClock(() => (now += 0.5));
      const expected = [room, own].flatMap(({ id }) => range(1, 250).map((seq) => `${id}/${seq}`));
      for (const query of ["slow", "slow from:nobody"]) {
        const found = await slow.results(ann, query, { limit: 30 });
        expect(found.toSorted()).toEqual(query === "slow" ? expected.toSorted() : []);
        const inRoom = await slow.results(ann, query, { limit: 30, room: room.id, after: 20 });
        expect(inRoom).toHaveLength(query === "slow" ? 230 : 0);
      }
    });

    test("end, with a charge, when searching a group again takes too long", async () => {
      const { h, ann } = await say(...range(1, 60).map((n) => `item ${n}`));
      let [now, step] = [0, 0];
      const slow = h.withClock(() => (now += step));
      const { next } = await slow.page(ann, "item", { limit: 5 });
      step = 20;
      // The same page with another end would repeat results or leave some out.
      const page = slow.page(ann, "item", { cursor: next ?? "", limit: 5 });
      expect(page).rejects.toMatchObject({
        code: "invalid_command",
        message: expect.stringMatching(/cursor/),
      });
      expect(slow.spent.at(-1)).toBeGreaterThan(300);
    });

    test("may have new messages of rooms whose earlier ones are on them, and still all others once", async () => {
      const h = harness();
      const ann = await h.user();
      const rooms = [await h.room(ann), await h.room(ann)] as const;
      for (const room of rooms) {
        await h.act(room, ann, ...range(1, 20).map((n) => send(`item ${n}`)));
        await h.indexAll();
      }
      const found: string[] = [];
      let cursor: string | null | undefined;
      while (cursor !== null) {
        const { results, next } = await h.page(ann, "item", { cursor, limit: 7 });
        found.push(...results.map((each) => `${each.room}/${each.message.seq}`));
        cursor = next;
        await h.act(rooms[0], ann, send("item item new"));
        await h.indexAll();
      }
      expect(new Set(found).size).toBe(found.length);
      const expected = rooms.flatMap(({ id }) => range(1, 20).map((seq) => `${id}/${seq}`));
      expect(expected.filter((each) => !found.includes(each))).toEqual([]);
    });

    test("end when the user is removed from a room that the cursor names", async () => {
      const { h, ann, room } = await say("item 1", "item 2");
      const { next } = await h.page(ann, "item", { limit: 1 });
      await h.remove(room, subOf(ann));
      const page = h.page(ann, "item", { cursor: next ?? "" });
      expect(page).rejects.toMatchObject({
        code: "invalid_command",
        message: expect.stringMatching(/cursor/),
      });
    });

    test.each([
      "",
      "x",
      "r~",
      "r~1~",
      "no room~1",
      "r~1.5",
      "r~1~r~1~r~1~x~1",
      "r~1~r~1~r~1~1~1~1",
      `${"x".repeat(2000)}~1`,
      "unknown~1",
    ])("refuse the cursor %p", async (cursor) => {
      const { h, ann } = await say("item");
      expect(h.page(ann, "item", { cursor })).rejects.toMatchObject({ code: "invalid_command" });
    });
  });

  test("any history of messages is found as a search of all texts finds it", async () => {
    const words = ["ant", "antler", "bee", "bees", "cow", "北京", "北京大学", "京", "학교", "👍", "café"];
    const text = fc
      .array(fc.constantFrom(...words), { minLength: 1, maxLength: 4 })
      .map((each) => each.join(" "));
    const seq = fc.integer({ min: 1, max: 12 });
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ type: fc.constant("send" as const), text }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("edit" as const), seq, text }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), seq }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("update" as const) }) },
    );
    const query = fc.constantFrom(
      "ant",
      "ant*",
      "bee cow",
      '"cow bee"',
      "北京",
      "京 ant",
      "大学 ant",
      "학교",
      "👍",
      "cafe",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), step), { maxLength: 40 }), query, async (steps, q) => {
        const h = harness();
        const ann = { ...(await h.user()), admin: true };
        const rooms = [await h.room(ann), await h.room(ann)] as const;
        for (const [second, each] of steps) {
          if (each.type === "update") {
            h.index.anythingChanged();
            await h.index.update();
            continue;
          }
          const action = each.type === "send" ? send(each.text) : each;
          await h.act(rooms[second ? 1 : 0], ann, action);
        }
        await h.indexAll();
        const expected = [];
        const { phrases } = parseQuery(q);
        for (const room of rooms)
          for (const message of await h.store.messages(room.key, { limit: 100 }))
            if (message.text !== null && matchText(phrases, message.text))
              expected.push(`${room.id}/${message.seq}`);
        expect((await h.results(ann, q, { limit: 3 })).toSorted()).toEqual(expected.toSorted());
      }),
      { numRuns: 40 },
    );
  }, 30_000);

  test("the operator is in no room", async () => {
    const { h } = await say("anything");
    expect(await h.found(operator, "anything")).toEqual([]);
  });
}
