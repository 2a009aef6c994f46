import type { TransferRecord } from "../../../src/chat/transfer.ts";

// A small team's chat, made up, for pictures and for tests that need a bit of everything.

const people = {
  maya: "Maya Lindqvist",
  tom: "Tom Okafor",
  leila: "Leila Rahman",
  jonas: "Jonas Weber",
  elena: "Elena Petrova",
  ravi: "Ravi Iyer",
  sofia: "Sofia Marques",
} as const;
type Person = keyof typeof people;

/** The email of a person, from which the development issuer makes their name. */
export const emailOf = (person: Person) => `${people[person].toLowerCase().replace(" ", ".")}@example.com`;
const refOf = (person: Person) => ({ sub: `dev|${emailOf(person)}` });

const everyone = Object.keys(people) as Person[];

interface Line {
  by: Person;
  /** "09:30" today, or "1 09:30" yesterday. */
  at: string;
  text: string;
  /** Text of the message that it replies to, or its beginning. */
  to?: string;
  reactions?: Record<string, Person[]>;
  isEdited?: boolean;
}

interface DemoRoom {
  id: string;
  name: string;
  members: Person[];
  /** How many of the newest messages Maya has not read. */
  unread?: number;
  lines: Line[];
}

const rooms: DemoRoom[] = [
  {
    id: "launch",
    name: "Autumn launch",
    members: everyone,
    lines: [
      {
        by: "leila",
        at: "1 16:12",
        text: "The new booking page is ready for review: https://design.example.com/booking/v4",
      },
      {
        by: "tom",
        at: "1 16:20",
        text: "Looks great. One question: what happens when a boat has no free slot at all?",
      },
      {
        by: "leila",
        at: "1 16:24",
        text: "Then it offers the next free day. Frame 7.",
        to: "Looks great.",
        reactions: { "👍": ["tom", "maya"] },
      },
      {
        by: "maya",
        at: "09:04",
        text: "Good morning! Three things are left before we can open bookings on Monday:\n\n1. Payment retries (Jonas)\n2. The empty state of the calendar (Leila)\n3. Texts in German and Portuguese (Elena, Sofia)",
        reactions: { "🚀": ["tom", "jonas", "leila"], "👀": ["elena"] },
      },
      {
        by: "jonas",
        at: "09:11",
        text: "Retries are in review. The gateway wants the same key for each attempt, so this does it:",
      },
      {
        by: "jonas",
        at: "09:11",
        text: "```\nconst key = `${booking.id}:${attempt.day}`;\nawait pay(booking, { idempotencyKey: key, retries: 3 });\n```",
        reactions: { "🎉": ["maya", "tom"] },
      },
      {
        by: "elena",
        at: "09:26",
        text: "German is done. I used *Liegeplatz* for berth, as on the old site.",
        isEdited: true,
      },
      {
        by: "sofia",
        at: "09:31",
        text: "Portuguese by noon. Elena, could you look at the cancellation rules? They are longer than the button.",
      },
      { by: "elena", at: "09:33", text: "On it.", to: "Portuguese by noon.", reactions: { "🙏": ["sofia"] } },
      {
        by: "tom",
        at: "11:02",
        text: "Staging has all of it now. Load test: **1,200 bookings a minute**, p99 at 180 ms, nothing dropped.",
      },
      {
        by: "tom",
        at: "11:02",
        text: "I will let it run over lunch.",
        reactions: { "👏": ["maya", "ravi", "leila", "jonas"] },
      },
      {
        by: "maya",
        at: "13:50",
        text: "Thank you! Let us meet at 16:00 for ten minutes, and then go home early.",
        reactions: { "❤️": ["elena", "sofia"] },
      },
      {
        by: "ravi",
        at: "14:51",
        text: "Backups of the bookings database were restored on the second machine: 4 minutes, all rows there.",
      },
    ],
  },
  {
    id: "engineering",
    name: "Engineering",
    members: ["maya", "tom", "jonas", "ravi"],
    unread: 2,
    lines: [
      { by: "ravi", at: "10:15", text: "Upgraded the staging cluster, no downtime." },
      { by: "tom", at: "14:20", text: "Who owns the calendar import these days?" },
      { by: "jonas", at: "14:32", text: "I do, until Friday." },
    ],
  },
  {
    id: "support",
    name: "Support",
    members: ["maya", "elena", "sofia", "tom"],
    unread: 2,
    lines: [
      { by: "elena", at: "12:05", text: "A customer asks for invoices with two addresses." },
      { by: "sofia", at: "13:10", text: "Third one this week. I will collect them." },
      { by: "elena", at: "14:12", text: "Reply to the harbour in Lagos is out." },
    ],
  },
  {
    id: "design",
    name: "Design",
    members: ["maya", "leila", "sofia"],
    lines: [
      { by: "leila", at: "1 11:30", text: "New type scale, in three sizes only." },
      { by: "maya", at: "13:02", text: "Fewer is better. I like it." },
    ],
  },
  {
    id: "lunch",
    name: "Lunch and other plans",
    members: everyone,
    lines: [{ by: "jonas", at: "11:48", text: "Soup place at 12:30? They have the good bread again." }],
  },
  {
    id: "operations",
    name: "Operations",
    members: ["maya", "ravi", "tom"],
    lines: [{ by: "ravi", at: "1 18:02", text: "Certificates renewed until March." }],
  },
];

/** The rooms, as an import that happens on the day whose midnight this is. Each message has its day and time. */
export function demoRecords(midnight: number): TransferRecord[] {
  const records: TransferRecord[] = everyone.map((person) => ({
    type: "user",
    user: refOf(person),
    name: people[person],
    email: emailOf(person),
    emails: [emailOf(person)],
    signedIn: true,
  }));
  for (const room of rooms) records.push(...recordsOf(room, midnight));
  return records;
}

function recordsOf({ id, name, members, unread = 0, lines }: DemoRoom, midnight: number): TransferRecord[] {
  const createdAt = midnight - 40 * 86_400_000;
  const records: TransferRecord[] = [
    { type: "room", id, name, createdAt, createdBy: refOf("maya"), head: null },
    ...members.map((person): TransferRecord => {
      const role = person === "maya" ? "owner" : person === "tom" ? "moderator" : "member";
      return { type: "member", room: id, user: refOf(person), role, joinedAt: createdAt };
    }),
  ];
  for (const [index, line] of lines.entries()) {
    const { by, text, to, reactions = {}, isEdited } = line;
    const sentAt = timeOf(line.at, midnight) + index * 1000;
    const target = to === undefined ? -1 : lines.findIndex((each) => each.text.startsWith(to));
    records.push({
      type: "message",
      room: id,
      sender: refOf(by),
      text,
      sentAt,
      editedAt: isEdited ? sentAt + 60_000 : null,
      deletedAt: null,
      replyTo: target < 0 ? null : { key: `${target}` },
      clientId: `${index}`,
      meta: null,
      position: null,
    });
    for (const [emoji, users] of Object.entries(reactions))
      for (const person of users)
        records.push({
          type: "reaction",
          room: id,
          message: { key: `${index}` },
          emoji,
          user: refOf(person),
        });
  }
  for (const person of members) {
    const seq = person === "maya" ? lines.length - unread : lines.length;
    records.push({ type: "read", room: id, user: refOf(person), seq });
  }
  return records;
}

function timeOf(at: string, midnight: number): number {
  const [, days = "0", hours = "0", minutes = "0"] = /^(?:(\d+) )?(\d+):(\d+)$/.exec(at) ?? [];
  return midnight + ((Number(hours) - 24 * Number(days)) * 60 + Number(minutes)) * 60_000;
}
