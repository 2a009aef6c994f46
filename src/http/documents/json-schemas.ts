import { type JsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import * as v from "valibot";

import type { Keywords } from "../../protocol/annotate.ts";

/** Checks and transformations of the server's own. Keywords of `annotate` say what clients need to know of them. */
const OWN_ACTIONS = ["check", "transform", "readonly", "min_value", "max_value"];

export type { JsonSchema };

/** JSON Schemas (draft 2020-12) of named schemas, and of those with a title that they refer to. */
export interface JsonSchemas {
  schemas: Record<string, JsonSchema>;
  /** By title. The others refer to `#/components/schemas/<title>`. */
  components: Record<string, JsonSchema>;
}

/** Converts schemas. Throws if two of them have the same title. */
export function toJsonSchemas(named: Record<string, v.GenericSchema>): JsonSchemas {
  const components: Record<string, v.GenericSchema> = {};
  for (const schema of Object.values(named)) collectTitled(schema, components);
  // A name that no title has.
  const inline = Object.entries(named).map(([name, schema]) => [`:${name}`, v.tuple([schema])] as const);
  const converted = toJsonSchemaDefs(
    { ...components, ...Object.fromEntries(inline) },
    {
      target: "draft-2020-12",
      ignoreActions: OWN_ACTIONS,
      overrideSchema: ({ valibotSchema, jsonSchema }) =>
        valibotSchema.type === "custom" ? jsonSchema : undefined,
      overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
    },
  );
  const schemas = inline.map(([name]) => {
    const [schema = {}] = (converted[name]?.prefixItems ?? []) as JsonSchema[];
    return [name.slice(1), schema];
  });
  return {
    schemas: Object.fromEntries(schemas) as Record<string, JsonSchema>,
    components: Object.fromEntries(Object.keys(components).map((title) => [title, converted[title] ?? {}])),
  };
}

/** The parts of which schemas are made. */
interface Parts extends v.GenericSchema {
  entries?: Record<string, v.GenericSchema>;
  options?: readonly unknown[];
  items?: readonly v.GenericSchema[];
  item?: v.GenericSchema;
  wrapped?: v.GenericSchema;
  pipe?: readonly unknown[];
}

function collectTitled(schema: Parts, found: Record<string, v.GenericSchema>): void {
  const { entries = {}, options = [], items = [], item, wrapped, pipe = [] } = schema;
  const title = titleOf(schema);
  if (title !== undefined) {
    if (found[title] === schema) return;
    if (found[title] !== undefined) throw new Error(`two schemas have the title ${title}`);
    found[title] = schema;
  }
  for (const part of [...Object.values(entries), ...options, ...items, item, wrapped, ...pipe])
    if (isSchema(part)) collectTitled(part, found);
}

/** The title that a schema was annotated with itself: not one of the schema that it was made of. */
function titleOf({ pipe = [] }: Parts): string | undefined {
  const titles = pipe.flatMap((part) => {
    const isMetadata = typeof part === "object" && part !== null && "metadata" in part;
    return isMetadata ? [(part.metadata as Keywords).title] : [];
  });
  return titles.findLast((title) => title !== undefined);
}

function isSchema(part: unknown): part is Parts {
  return typeof part === "object" && part !== null && "kind" in part && part.kind === "schema";
}
