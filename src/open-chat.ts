import { createLocalBus } from "./bus/local.ts";
import { Chat } from "./chat/chat.ts";
import type { Limits } from "./chat/model.ts";
import type { Config } from "./config.ts";
import { open } from "./store/sqlite/open.ts";
import { SqliteStore } from "./store/sqlite/store.ts";

/** Opens the chat on its database, without a server, for the command line. Throws `OpenError`. */
export function openChat(config: Config, options: { create: boolean }) {
  const store = new SqliteStore(open(config.database, options));
  const bus = createLocalBus({ dataVersion: () => 0, failed: ignore });
  const chat = new Chat({
    store,
    bus,
    limits: limitsOf(config),
    broadcaster: {
      publish: ignore,
      publishMissed: ignore,
      followers: () => 0,
      publishActivity: ignore,
    },
    observer: { historyFailed: ignore, commitFailed: ignore, syncFailed: ignore, recheckFailed: ignore },
    now: Date.now,
    monotonic: () => performance.now(),
  });
  const close = async () => {
    bus.close();
    await store.close();
  };
  return { chat, close };
}

const ignore = () => undefined;

/** The limits that the configuration sets. */
export function limitsOf(config: Config): Limits {
  const { maxText, messageRate, messageBurst, roomsPerUser, membersPerRoom } = config;
  return { textBytes: maxText, messageRate, messageBurst, roomsPerUser, membersPerRoom };
}
