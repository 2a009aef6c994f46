import type { Context } from "hono";

export type Form = Partial<Record<string, string>>;

/** The fields of a form (application/x-www-form-urlencoded). The last one of a name counts. */
export async function readForm(c: Context): Promise<Form> {
  return Object.fromEntries(new URLSearchParams(await c.req.text()));
}
