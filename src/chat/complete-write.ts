import { type Result, StoreError, unwrap } from "./errors.ts";

/** Resolves with the result of a write, or rejects with the `ChatError` of a refusal. `failed`: the storage failed. */
export async function completeWrite<T>(write: Promise<Result<T>>, failed: () => void): Promise<T> {
  try {
    return unwrap(await write);
  } catch (error) {
    if (error instanceof StoreError) failed();
    throw error;
  }
}
