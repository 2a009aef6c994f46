import { type Dump, isObject, isScalar, type Json } from "./dump.ts";
import { MODEL_NAMES } from "./names.ts";

/** Different values of a field that are kept, to see what it points to. */
const MAX_SAMPLES = 20;

export type Kind = "boolean" | "number" | "string" | "list" | "object";

/** What a dump holds: its models by label, such as `chat.message`. */
export type Summary = ReadonlyMap<string, ModelSummary>;

export interface ModelSummary {
  label: string;
  records: number;
  fields: Map<string, FieldSummary>;
  /** Primary keys, of models that may be rooms. */
  keys: Set<string>;
}

export interface FieldSummary {
  /** Kinds of the values that are not null. */
  kinds: Set<Kind>;
  /** Some of the values, if they are texts or numbers. */
  samples: Set<string>;
}

/** Reads which models and fields a dump has. `roomModel` is the label of the rooms, if it is known. */
export async function summarize(dump: Dump, roomModel: string | undefined): Promise<Summary> {
  const models = new Map<string, ModelSummary>();
  for await (const records of dump.read()) {
    for (const { model: label, pk, fields } of records) {
      let model = models.get(label);
      if (!model) models.set(label, (model = { label, records: 0, fields: new Map(), keys: new Set() }));
      model.records++;
      for (const name in fields) addValue(model.fields, name, fields[name] ?? null);
      if (pk !== null && (label === roomModel || mayBeRooms(label))) model.keys.add(pk);
    }
  }
  return models;
}

/** The name of a model without its app: `message` of `chat.message`. */
export function modelName(label: string): string {
  return label.slice(label.indexOf(".") + 1);
}

function mayBeRooms(label: string): boolean {
  return MODEL_NAMES.rooms.some((pattern) => pattern.test(modelName(label)));
}

function addValue(fields: Map<string, FieldSummary>, name: string, value: Json): void {
  let field = fields.get(name);
  if (!field) fields.set(name, (field = { kinds: new Set(), samples: new Set() }));
  if (value === null) return;
  field.kinds.add(kindOf(value));
  if (isScalar(value) && field.samples.size < MAX_SAMPLES) field.samples.add(String(value));
}

function kindOf(value: Exclude<Json, null>): Kind {
  if (Array.isArray(value)) return "list";
  if (isObject(value)) return "object";
  return typeof value as "boolean" | "number" | "string";
}
