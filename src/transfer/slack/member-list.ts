import { SourceError } from "../source.ts";

/** Of a member list. 100,000 members have some 20 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Email addresses by user id, from the member list that an administrator of a Slack workspace can export as CSV. It has a column
 * `userid` and a column `email`. Throws `SourceError` if the file cannot be read or has no such columns.
 */
export async function readMemberList(path: string): Promise<ReadonlyMap<string, string>> {
  const [header = [], ...rows] = parseCsv(await readText(path));
  const columns = header.map((name) => name.trim().toLowerCase());
  const [id, email] = [columns.indexOf("userid"), columns.indexOf("email")];
  if (id < 0 || email < 0)
    throw new SourceError(`${path} is not a member list of Slack: it needs the columns userid and email.`);
  return new Map(rows.flatMap((row) => (row[id] && row[email] ? [[row[id].trim(), row[email].trim()]] : [])));
}

async function readText(path: string): Promise<string> {
  try {
    const file = Bun.file(path);
    if (file.size > MAX_BYTES) throw new Error(`It has more than ${MAX_BYTES} bytes.`);
    return (await file.text()).replace(/^\ufeff/, "");
  } catch (error) {
    throw new SourceError(`Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** The rows of a CSV file (RFC 4180). */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain = "", end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  return rows;
}
