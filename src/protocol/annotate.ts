import * as v from "valibot";

/** Keywords of JSON Schema (draft 2020-12). One that is undefined removes what the conversion writes. */
export interface Keywords {
  /** The name of the schema in the documents, which refer to it wherever it is used. */
  title?: string;
  description?: string;
  examples?: readonly unknown[];
  [keyword: string]: unknown;
}

/**
 * Returns the schema with keywords for its JSON Schema in the documents; a text is its description. Validating costs no more
 * than before: only the conversion reads the pipe, the copy runs what the schema ran.
 */
export function annotate<T extends v.GenericSchema>(schema: T, keywords: string | Keywords): T {
  const metadata = typeof keywords === "string" ? { description: keywords } : { ...keywords };
  return { ...schema, pipe: [schema, v.metadata(metadata)] };
}
