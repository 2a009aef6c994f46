import { afterAll, beforeAll, describe } from "bun:test";

import type { Store } from "../../src/chat/store.ts";
import { appendContract } from "./append.ts";
import { directContract } from "./direct.ts";
import { historyContract } from "./history.ts";
import { membersContract } from "./members.ts";
import { mentionsContract } from "./mentions.ts";
import { modelContract } from "./model.ts";
import { readMarksContract } from "./read-marks.ts";
import { refusalsContract } from "./refusals.ts";
import { restrictionsContract } from "./restrictions.ts";
import { roomsContract } from "./rooms.ts";
import { StoreHarness } from "./store-harness.ts";
import { usersContract } from "./users.ts";

/** What every store must do, as the comments of `Store` promise it. */
export function storeContract(
  name: string,
  openStore: () => Promise<{ store: Store } & AsyncDisposable>,
): void {
  describe(name, () => {
    let opened: { store: Store } & AsyncDisposable;
    beforeAll(async () => {
      opened = await openStore();
    });
    afterAll(() => opened[Symbol.asyncDispose]());
    const harness = () => new StoreHarness(opened.store);
    describe("append", () => appendContract(harness));
    describe("read marks and room lists", () => readMarksContract(harness));
    describe("mentions", () => mentionsContract(harness));
    describe("history", () => historyContract(harness));
    describe("rooms", () => roomsContract(harness));
    describe("direct conversations", () => directContract(harness));
    describe("members", () => membersContract(harness));
    describe("joining, bans, mutes and the audit list", () => restrictionsContract(harness));
    describe("users and their emails", () => usersContract(harness));
    describe("refusals", () => refusalsContract(harness));
    describe("any history, compared with a model", () => modelContract(harness));
  });
}
