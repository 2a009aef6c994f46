/** A promise and the functions that settle it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

/**
 * As `Promise.withResolvers`, which Node 20 does not have. A rejection of the promise never counts as unhandled, since
 * callers may ignore the outcome.
 */
export function deferred<T>(): Deferred<T> {
  let resolve!: Deferred<T>["resolve"];
  let reject!: Deferred<T>["reject"];
  const promise = new Promise<T>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise;
    reject = rejectPromise;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** A promise that is rejected, which never counts as unhandled. */
export function rejected(error: Error): Promise<never> {
  const { promise, reject } = deferred<never>();
  reject(error);
  return promise;
}
