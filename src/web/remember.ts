/** Keeps a value on this device. Where the storage is full, nothing is kept, which must not end what the user does. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Full.
  }
}

/** Throws an error with a sentence for the user where the browser lets the page store nothing: then nobody can sign in. */
export function requireStorage(): void {
  try {
    void [localStorage.length, sessionStorage.length];
  } catch (cause) {
    throw new Error("Your browser does not let this page store anything. Allow cookies for it.", { cause });
  }
}
