import { SourceError } from "../source.ts";
import { type Names, plain } from "./names.ts";
import type { Kind, ModelSummary } from "./summary.ts";

const MAX_LISTED_MODELS = 12;
const MAX_LISTED_FIELDS = 30;

/** What a field is for, in words, and the option that names it. */
export interface Purpose {
  what: string;
  option: string;
}

/** A field that points to a row of another table: by primary key, or by natural key. */
export const REFERENCE: readonly Kind[] = ["number", "string", "list"];
export const TIME: readonly Kind[] = ["number", "string"];

/** The field of a model whose name and values fit, or null. Throws `SourceError` when two fit equally well. */
export function findField(
  model: ModelSummary,
  names: Names,
  kinds: readonly Kind[],
  purpose?: Purpose,
): string | null {
  for (const pattern of names) {
    const found = [...model.fields].filter(
      ([name, field]) =>
        pattern.test(plain(name)) && (field.kinds.size === 0 || kinds.some((kind) => field.kinds.has(kind))),
    );
    // Fields that are always null say nothing when another one has values.
    const used = found.filter(([, { kinds: seen }]) => seen.size > 0);
    const [first, second] = used.length > 0 ? used : found;
    if (first && second && purpose) {
      throw new SourceError(
        `Both ${first[0]} and ${second[0]} of ${model.label} may be ${purpose.what}: name one with ${purpose.option}.`,
      );
    }
    if (first) return first[0];
  }
  return null;
}

/** Throws `SourceError` when the model has no such field. */
export function namedField(model: ModelSummary, name: string, option: string): string {
  if (model.fields.has(name)) return name;
  throw new SourceError(`${option} ${name}: ${model.label} has no such field. It has ${listFields(model)}.`);
}

/** The field that an option names, or else the one that is found. Throws `SourceError` when there is none. */
export function requireField(
  model: ModelSummary,
  named: string | undefined,
  names: Names,
  kinds: readonly Kind[],
  purpose: Purpose,
): string {
  if (named !== undefined) return namedField(model, named, purpose.option);
  const found = findField(model, names, kinds, purpose);
  if (found !== null) return found;
  throw new SourceError(
    `Which field of ${model.label} is ${purpose.what}? Name it with ${purpose.option}. It has ${listFields(model)}.`,
  );
}

export function listFields({ fields }: ModelSummary): string {
  return listOf([...fields.keys()], MAX_LISTED_FIELDS) || "no fields";
}

export function listModels(models: Iterable<ModelSummary>): string {
  return listOf(
    [...models].map((model) => `${model.label} (${listFields(model)})`),
    MAX_LISTED_MODELS,
  );
}

function listOf(names: readonly string[], limit: number): string {
  const shown = names.slice(0, limit).join(", ");
  return names.length > limit ? `${shown} and ${names.length - limit} more` : shown;
}
