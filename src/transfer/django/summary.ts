import { type Dump, isObject, isScalar, type Json } from "./dump.ts";
import { MODEL_NAMES } from "./names.ts";

/** Different values of a field that are kept, to see what it points to. */
const MAX_SAMPLES = 20;

/** Records from which the fields of a model are learned. All records of a model have the same fields. */
const MAX_RECORDS = 10_000;

export type Kind = "boolean" | "number" | "string" | "list" | "object";

/** What a dump holds: its models by label, such as `chat.message`. */
export type Summary = ReadonlyMap<string, ModelSummary>;

export interface ModelSummary {
  label: string;
  /** Records that were read: not all of them, if there are many. */
  records: number;
  fields: Map<string, FieldSummary>;
  /** The primary keys, of a model that may be the rooms. */
  keys: Set<string> | null;
}

export interface FieldSummary {
  /** Kinds of the values that are not null. */
  kinds: Set<Kind>;
  /** Some of the values, if they are texts or numbers. */
  samples: Set<string>;
}

/** Reads which models and fields a dump has. `roomModel` is the label or the name of the rooms' model, if it is known. */
export async function summarize(dump: Dump, roomModel: string | undefined): Promise<Summary> {
  const named = roomModel?.toLowerCase();
  const mayBeRooms = (label: string) =>
    label === named ||
    MODEL_NAMES.rooms.some((pattern) => pattern.test(modelName(label))) ||
    modelName(label) === named;
  const models = new Map<string, ModelSummary>();
  const isWanted = (label: string) => {
    const model = models.get(label);
    return !model || model.keys !== null || model.records < MAX_RECORDS;
  };
  for await (const records of dump.read(isWanted)) {
    for (const { model: label, pk, fields } of records) {
      let model = models.get(label);
      if (!model) {
        model = { label, records: 0, fields: new Map(), keys: mayBeRooms(label) ? new Set() : null };
        models.set(label, model);
      }
      model.records++;
      for (const name in fields) addValue(model.fields, name, fields[name] ?? null);
      if (pk !== null) model.keys?.add(String(pk));
    }
  }
  return models;
}

/** The name of a model without its app: `message` of `chat.message`. */
export function modelName(label: string): string {
  return label.slice(label.indexOf(".") + 1);
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
