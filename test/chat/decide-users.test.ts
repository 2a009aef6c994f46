import { expect, test } from "bun:test";

import { changesNothing, decideSignIn, renameReactor } from "../../src/chat/decide-users.ts";
import type { Profile, User } from "../../src/chat/model.ts";

const known: User = { key: 1, id: "sub", email: "a@example.com", name: "Alice" };
const other: User = { key: 2, id: "other", email: "b@example.com", name: null };
const invited: User = { key: 3, id: null, email: "b@example.com", name: null };

type Expected = [
  user: User | undefined,
  invited: User | undefined,
  email: string | null,
  name: string | null,
];

test.each<[string, Profile, known: User | undefined, emailOwner: User | undefined, Expected]>([
  ["a new user", { sub: "sub", name: "Al" }, undefined, undefined, [undefined, undefined, null, "Al"]],
  [
    "a new user with an invited email takes over the invitation",
    { sub: "sub", email: "b@example.com" },
    undefined,
    invited,
    [invited, undefined, "b@example.com", null],
  ],
  [
    "a new user without a name keeps the one that was imported for their email",
    { sub: "sub", email: "b@example.com" },
    undefined,
    { ...invited, name: "Imported" },
    [{ ...invited, name: "Imported" }, undefined, "b@example.com", "Imported"],
  ],
  [
    "a known user with an invited email is given its memberships",
    { sub: "sub", email: "b@example.com" },
    known,
    invited,
    [known, invited, "b@example.com", "Alice"],
  ],
  [
    "an email of another user brings nothing but the email",
    { sub: "sub", email: "b@example.com" },
    known,
    other,
    [known, undefined, "b@example.com", "Alice"],
  ],
  [
    "an email of one's own brings nothing",
    { sub: "sub", email: "a@example.com" },
    known,
    known,
    [known, undefined, "a@example.com", "Alice"],
  ],
  [
    "a token without email and name takes nothing away",
    { sub: "sub" },
    known,
    undefined,
    [known, undefined, "a@example.com", "Alice"],
  ],
])("%s", (_, profile, user, emailOwner, expected) => {
  const decision = decideSignIn(profile, { known: user, emailOwner });
  expect([decision.user, decision.invited, decision.email, decision.name]).toEqual(expected);
});

const signedIn = (profile: Omit<Profile, "sub">, ownsEmail = true) =>
  changesNothing({ sub: "sub", ...profile }, { known, ownsEmail });

test("signing in changes nothing when the profile says nothing new, and the email is still the user's own", () => {
  const [email, name] = ["a@example.com", "Alice"];
  const unchanged = [
    signedIn({}, false),
    signedIn({ email }),
    signedIn({ name }, false),
    signedIn({ email, name }),
  ];
  expect(unchanged).toEqual([true, true, true, true]);
  const changed = [
    signedIn({ name: "Al" }),
    signedIn({ email: "b@example.com" }),
    signedIn({ email }, false),
  ];
  expect(changed).toEqual([false, false, false]);
});

test("a reaction changes hands; of two that become one user's, the first stays", () => {
  const reactions = [
    { emoji: "👍", by: ["x", "old", "y"] },
    { emoji: "🎉", by: ["new", "old"] },
    { emoji: "👀", by: ["x"] },
  ];
  expect(renameReactor(reactions, { from: "old", to: "new" })).toEqual([
    { emoji: "👍", by: ["x", "new", "y"] },
    { emoji: "🎉", by: ["new"] },
    { emoji: "👀", by: ["x"] },
  ]);
});
