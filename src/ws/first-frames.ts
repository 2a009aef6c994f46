import type { Code } from "../chat/errors.ts";
import { asChatError, ChatError } from "../chat/errors.ts";
import type { CloseCodes } from "../protocol/classic/classic.ts";
import type { Admission } from "./admission.ts";
import { closeSocket, type Connection, type Socket, UnauthenticatedConnection } from "./connection.ts";
import type { Connections } from "./connections.ts";

const TOKEN_TIMEOUT_MS = 10_000;
const MAX_UNAUTHENTICATED = 1000;

export interface FirstFramesOptions {
  admission: Pick<Admission, "identify" | "connect">;
  connections: Connections;
  /** Returns the token in a client's frame. Undefined where tokens are not sent in frames. */
  tokenFrom: ((frame: string) => string | undefined) | undefined;
  closeCodes: CloseCodes;
  /** Called when a token is refused, or cannot be verified. */
  refused: (error: unknown) => void;
  /** How long a client may take to send its token. Default: 10 seconds. */
  timeoutMs?: number;
  /** Connections that may be without a token at once. Default: 1000. */
  maxWaiting?: number;
}

/** Connections of clients that send their token in their first frame. Until then they get nothing, and are few. */
export class FirstFrames {
  readonly #waiting = new Map<Socket, ReturnType<typeof setTimeout>>();

  constructor(private readonly options: FirstFramesOptions) {}

  /** Whether clients may connect without a token and send it later. */
  get areAccepted(): boolean {
    return this.options.tokenFrom !== undefined;
  }

  /** Throws `too_many_connections` when one more connection may not wait for its token. */
  reserve(): void {
    const { connections, maxWaiting = MAX_UNAUTHENTICATED } = this.options;
    connections.assertNotFull(this.#waiting.size);
    if (this.#waiting.size >= maxWaiting)
      throw new ChatError("too_many_connections", "Too many connections have not sent their token.");
  }

  open(socket: Socket): void {
    const { timeoutMs = TOKEN_TIMEOUT_MS } = this.options;
    this.#waiting.set(
      socket,
      setTimeout(() => this.#close(socket, "unauthorized"), timeoutMs),
    );
  }

  /** Takes a frame. Calls `connected` with the new connection, in the turn in which the token is accepted. */
  receive(
    socket: Socket,
    connection: UnauthenticatedConnection,
    frame: string | Buffer,
    connected: (connection: Connection) => void,
  ): void {
    if (connection.verifying) {
      if (!connection.queue.push(frame)) this.#close(socket, "rate_limited");
      return;
    }
    connection.verifying = true;
    // It came in time. How long it takes to verify it is not up to the client.
    clearTimeout(this.#waiting.get(socket));
    const token = typeof frame === "string" ? this.options.tokenFrom?.(frame) : undefined;
    if (token === undefined) {
      this.#close(socket, "unauthorized");
      return;
    }
    this.#admit(socket, connection, token, connected).catch((error: unknown) => {
      this.options.refused(error);
      this.#close(socket, asChatError(error).code);
    });
  }

  /** The socket has ended, or has become a connection. */
  remove(socket: Socket): void {
    clearTimeout(this.#waiting.get(socket));
    this.#waiting.delete(socket);
  }

  /** Closes all of them, when the server shuts down. */
  closeAll(): void {
    for (const socket of this.#waiting.keys()) this.#close(socket, "restarting");
  }

  async #admit(
    socket: Socket,
    { roomId, queue }: UnauthenticatedConnection,
    token: string,
    connected: (connection: Connection) => void,
  ): Promise<void> {
    const { admission } = this.options;
    const visitor = await admission.identify(token, { protocol: "classic", roomId, since: undefined });
    if (!this.#waiting.has(socket)) return;
    const connection = admission.connect(visitor, queue);
    this.remove(socket);
    connected(connection);
  }

  #close(socket: Socket, code: Code): void {
    this.remove(socket);
    closeSocket(socket, code, this.options.closeCodes);
  }
}
