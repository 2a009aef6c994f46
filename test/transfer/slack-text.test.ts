import { describe, expect, test } from "bun:test";

import { reactionNamed } from "../../src/transfer/emoji-names.ts";
import { plainText } from "../../src/transfer/slack/mrkdwn.ts";

const users: Readonly<Record<string, string>> = { U1: "Ada <i>" };
const names = {
  user: (id: string) => users[id],
  channel: (id: string) => (id === "C1" ? "general" : undefined),
};

describe("a text of Slack becomes what its reader saw:", () => {
  test.each([
    ["mentions", "<@U1> and <@U2|bob> and <@U3>", "@Ada <i> and @bob and @U3"],
    ["channels", "<#C1> <#C1|old-name> <#C2|random> <#C3|>", "#general #general #random #C3"],
    [
      "groups",
      "<!here> <!channel|@channel> <!everyone> <!subteam^S1|@ops> <!subteam^S2>",
      "@here @channel @everyone @ops @S2",
    ],
    [
      "dates",
      "<!date^1392734382^{date}^https://x.org|18 Feb> <!date^1392734382^{date}>",
      "18 Feb 1392734382",
    ],
    [
      "links",
      "<https://a.org/?x=1&amp;y=2> <https://a.org|the page>",
      "https://a.org/?x=1&y=2 the page (https://a.org)",
    ],
    [
      "links that are their own label",
      "<http://a.org|a.org> <https://a.org/|https://a.org>",
      "http://a.org https://a.org/",
    ],
    ["addresses", "<mailto:a@b.org|a@b.org> <tel:+4930|call me>", "a@b.org call me (tel:+4930)"],
    ["entities, once", "1 &lt; 2 &amp;&amp; 3 &gt; 2, &amp;lt; &nbsp;", "1 < 2 && 3 > 2, &lt; &nbsp;"],
    ["escaped markup, which is no markup", "&lt;@U1&gt; &lt;!here&gt;", "<@U1> <!here>"],
    ["what is no markup", "a < b, <>, > c", "a < b, <>, > c"],
    ["emoji", ":tada: :wave::skin-tone-6: :acme: :+1::skin-tone-2:", "🎉 👋🏿 :acme: 👍🏻"],
    [
      "emoji that are none",
      "12:100:30 `:tada:` ```a :tada: b``` <https://a.org/:tada:/>",
      "12:100:30 `:tada:` ```a :tada: b``` https://a.org/:tada:/",
    ],
    ["formatting", "*bold* _it_ ~gone~ `code`\n&gt; quote", "*bold* _it_ ~gone~ `code`\n> quote"],
  ])("%s", (_, mrkdwn, text) => {
    expect(plainText(mrkdwn, names)).toBe(text);
  });

  test("in a time that grows with its length only", () => {
    const started = performance.now();
    for (const part of ["<", "<@", "`", "```", ":a", "&", "<a|", ":100::"])
      plainText(part.repeat(40_000), names);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe("a reaction", () => {
  test.each([
    ["heart", "❤️"],
    ["+1_medium_light_skin_tone", "👍🏼"],
    ["thumbsup::skin-tone-5", "👍🏾"],
    // There are no hearts with a skin tone.
    ["heart::skin-tone-5", "❤️"],
    ["constructor", ":constructor:"],
    ["n".repeat(60), `:${"n".repeat(30)}:`],
    ["ありがとう", ":ありがとう:"],
    ["", undefined],
    ["two words", undefined],
  ])("named %s", (name, emoji) => {
    expect(reactionNamed(name)).toBe(emoji);
  });
});
