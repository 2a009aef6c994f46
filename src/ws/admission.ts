import type { Verifier } from "../auth/verifier.ts";
import type { Chat } from "../chat/chat.ts";
import { ChatError } from "../chat/errors.ts";
import type { Actor, Identity } from "../chat/model.ts";
import type { CloseCodes } from "../protocol/classic/classic.ts";
import { Connection, type ConnectionSession, type Entrance } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { FrameQueue } from "./frame-queue.ts";
import type { Protocol } from "./subprotocol.ts";

export interface AdmissionOptions {
  chat: Chat;
  verifier: Pick<Verifier, "verify" | "trusts">;
  connections: Connections;
  createSession: (connection: Connection) => ConnectionSession;
  /** Close codes of `classic`. */
  closeCodes: CloseCodes;
}

/** What a client asks to connect to: a room, or a session if `roomId` is undefined. `since` is the `rev` to resume from. */
export interface Destination {
  protocol: Protocol;
  roomId: string | undefined;
  since: number | undefined;
}

/** A user whose token and membership have been verified. */
export interface Visitor {
  protocol: Protocol;
  identity: Identity;
  user: Actor;
  entrance: Entrance | undefined;
}

/** Turns tokens into connections. */
export class Admission {
  constructor(private readonly options: AdmissionOptions) {}

  /** Rejects with `unauthorized`, `token_expired` or `room_not_found`, or when keys or storage are not available. */
  async identify(token: string, { protocol, roomId, since }: Destination): Promise<Visitor> {
    const { chat, verifier } = this.options;
    const identity = await verifier.verify(token);
    const user = await chat.signIn(identity);
    const entrance = roomId === undefined ? undefined : { ...(await chat.rooms.enter(user, roomId)), since };
    return { protocol, identity, user, entrance };
  }

  /**
   * Creates the connection, within the limits. It must be added to `Connections` in the same turn, so that the limits hold and
   * the withdrawal of a key finds it. Throws `unauthorized`, `too_many_connections` or `restarting`.
   */
  connect({ protocol, identity, user, entrance }: Visitor, queue?: FrameQueue): Connection {
    const { verifier, connections, createSession, closeCodes } = this.options;
    if (!verifier.trusts(identity.signingKey))
      throw new ChatError("unauthorized", "The token is not valid here.");
    connections.admit(user.key);
    const connection = new Connection(
      {
        protocol,
        identity,
        user,
        ...(entrance && { entrance }),
        ...(protocol === "classic" && { closeCodes }),
        ...(queue && { queue }),
      },
      performance.now(),
    );
    if (!entrance) connection.session = createSession(connection);
    return connection;
  }
}
