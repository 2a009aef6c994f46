import { readFileSync } from "node:fs";
import { join } from "node:path";

import type * as v from "valibot";

import type { Keywords } from "../../src/protocol/annotate.ts";
import * as bodies from "../../src/protocol/bodies.ts";
import * as frames from "../../src/protocol/frames.ts";
import * as moderationBodies from "../../src/protocol/moderation-bodies.ts";
import * as moderationRequests from "../../src/protocol/moderation-requests.ts";
import * as noticeFrames from "../../src/protocol/notice-frames.ts";
import * as pushRequests from "../../src/protocol/push-requests.ts";
import * as responses from "../../src/protocol/responses.ts";
import * as roomRequests from "../../src/protocol/room-requests.ts";
import * as schemas from "../../src/protocol/schemas.ts";
import { root } from "../support/process.ts";

// The package's types must not need valibot, from whose schemas the types of the protocol are inferred. So they are written out,
// with the descriptions as comments.

interface Schema extends v.GenericSchema {
  entries?: Record<string, Schema>;
  wrapped?: Schema;
  item?: Schema;
  literal?: unknown;
  options?: readonly (string | Schema)[];
  pipe?: readonly [Schema, ...{ metadata?: Keywords }[]];
}

/** `export type Name = v.InferOutput<typeof schema>`, or `OutputOf` for any of several, or `QueryOf` for a query. */
const INFERRED = /^export type (\w+) = (?:v\.Infer(?:Out|In)put|OutputOf|QueryOf)<typeof (\w+)>;$/gm;
const modules = [
  ["bodies", bodies],
  ["frames", frames],
  ["moderation-bodies", moderationBodies],
  ["moderation-requests", moderationRequests],
  ["notice-frames", noticeFrames],
  ["push-requests", pushRequests],
  ["responses", responses],
  ["room-requests", roomRequests],
  ["schemas", schemas],
] as const;

/** The schemas of the named types: one, or several by their `type`. */
const named = new Map<string, Schema | Record<string, Schema>>();
for (const [name, module] of modules) {
  const source = readFileSync(join(root, `src/protocol/${name}.ts`), "utf8");
  for (const [, type = "", schema = ""] of source.matchAll(INFERRED))
    named.set(type, (module as Record<string, unknown>)[schema] as Schema);
}
const names = new Map([...named].map(([name, schema]) => [schema, name]));

/** Checks of our own say in their keywords of which type they are. */
const customTypes: Record<string, string> = {
  string: "string",
  integer: "number",
  object: "Readonly<Record<string, unknown>>",
};

/** Declares these types of the protocol, and all that they refer to, without imports. */
export function declareTypes(wanted: readonly string[]): string {
  const declared = new Map<string, string>();
  const declare = (name: string): string => {
    if (declared.has(name)) return name;
    declared.set(name, "");
    const schema = named.get(name);
    if (schema === undefined) throw new Error(`${name} is not inferred from a schema`);
    const isOne = typeof schema["type"] === "string";
    const type = isOne
      ? print(schema as Schema, true)
      : Object.values(schema)
          .map((each) => print(each as Schema))
          .join(" | ");
    const text =
      isOne && isObject(schema as Schema) ? `interface ${name} ${type}` : `type ${name} = ${type};`;
    declared.set(name, `${isOne ? comment(schema as Schema) : ""}export ${text}`);
    return name;
  };

  function print(schema: Schema, isDeclaration = false): string {
    const name = isDeclaration ? undefined : names.get(schema);
    if (name !== undefined) return declare(name);
    const { pipe, entries, wrapped, item, literal, options } = schema;
    const type = keyword(schema, "type");
    if (schema.type === "custom") return customTypes[String(type)] ?? fail(`custom ${String(type)}`);
    // A number in a query.
    if (schema.type === "string" && type === "integer") return "number";
    if (pipe) return print(pipe[0]);
    switch (schema.type) {
      case "string":
      case "number":
      case "boolean":
        return schema.type;
      case "literal":
        return JSON.stringify(literal);
      case "picklist":
        return (options ?? []).map((each) => JSON.stringify(each)).join(" | ");
      case "union":
      case "variant":
        return (options ?? []).map((each) => print(each as Schema)).join(" | ");
      case "record":
        return "Readonly<Record<string, unknown>>";
      case "nullable":
        return `${print(wrapped!)} | null`;
      case "exact_optional":
        return print(wrapped!);
      case "optional":
        return `${print(wrapped!)} | undefined`;
      case "array":
        return `readonly ${inBrackets(print(item!))}[]`;
      case "object":
      case "strict_object":
        return `{\n${Object.entries(entries ?? {})
          .filter(([key]) => key !== "cursor")
          .map(([key, each]) => {
            const mark = each.type.endsWith("optional") ? "?" : "";
            return `${comment(each)}${key}${mark}: ${print(each)};`;
          })
          .join("\n")}\n}`;
      default:
        return fail(schema.type);
    }
  }

  wanted.forEach(declare);
  return [...declared.values()].join("\n");
}

function comment(schema: Schema): string {
  const description = keyword(schema, "description");
  return typeof description === "string" ? `/** ${description} */\n` : "";
}

/** The last value of a keyword that a schema has been annotated with. */
function keyword({ pipe, wrapped }: Schema, name: string): unknown {
  const [inner = wrapped, ...annotations] = pipe ?? [];
  const own = annotations.findLast(({ metadata }) => metadata?.[name] !== undefined);
  return own?.metadata?.[name] ?? (inner && keyword(inner, name));
}

const isObject = ({ type }: Schema) => type === "object" || type === "strict_object";
const inBrackets = (type: string) => (type.includes(" ") ? `(${type})` : type);

function fail(type: string): never {
  throw new Error(`${type} has no type here`);
}
