import { afterAll, beforeAll } from "bun:test";

import { type Client, connect, Refused } from "./client.ts";
import { type Issuer, startIssuer } from "./issuer.ts";
import { type Parley, type ParleyOptions, startParley } from "./parley.ts";

/** An OpenID provider and a server for one file of tests, and what nearly each of them does. */
export interface Stage {
  readonly issuer: Issuer;
  readonly parley: Parley;
  /** A new room with these members. */
  roomOf: (...members: string[]) => Promise<string>;
  /** A token of the user with this email. */
  token: (email: string) => Promise<string>;
  /** A member's connection, with the history taken away. */
  join: (room: string, email: string) => Promise<Client>;
}

let rooms = 0;

export const newRoomId = () => `room-${++rooms}`;

/** To be called at the top of a file. */
export function stage(options: Omit<ParleyOptions, "issuer"> = {}): Stage {
  let issuer: Issuer;
  let parley: Parley;
  beforeAll(async () => {
    issuer = await startIssuer();
    parley = await startParley({ issuer: issuer.issuer, ...options });
  });
  afterAll(async () => {
    await parley[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });
  return {
    get issuer() {
      return issuer;
    },
    get parley() {
      return parley;
    },
    async roomOf(...members) {
      const id = newRoomId();
      await parley.room(id, members);
      return id;
    },
    token: (email) => issuer.sign(email),
    async join(room, email) {
      const client = await connect(parley.host, room, { token: await issuer.sign(email) });
      await client.next();
      return client;
    },
  };
}

/** How the server refused. Throws when it did not. */
export async function refusal(connecting: Promise<Client>): Promise<Refused> {
  const outcome = await connecting.catch((error: unknown) => error);
  if (outcome instanceof Refused) return outcome;
  throw new Error("it was not refused", { cause: outcome });
}

/** The value of a counter or gauge at `/metrics`; 0 when it is not there. */
export async function metric(parley: Parley, name: string): Promise<number> {
  const text = await (await fetch(`${parley.url}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(" ")[1] ?? 0);
}
