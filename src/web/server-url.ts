/** The URL of the server, which is one level above this script: `…/assets/<name>.js`. It ends with a slash. */
export const serverUrl = new URL("../", import.meta.url);
