import { SourceError } from "../source.ts";
import { DJANGO_MODEL, type Names, plain } from "./names.ts";
import { listModels, type Purpose } from "./recognise-field.ts";
import { modelName, type ModelSummary, type Summary } from "./summary.ts";

/** The model that an option names, as `chat.room` or `room`. Throws `SourceError` when the dump has none or several. */
export function namedModel(summary: Summary, name: string, option: string): ModelSummary {
  const wanted = name.toLowerCase();
  const exact = summary.get(wanted);
  if (exact) return exact;
  const [first, second] = [...summary.values()].filter(({ label }) => modelName(label) === wanted);
  if (first && second)
    throw new SourceError(`${option} ${name}: there are ${first.label} and ${second.label}.`);
  if (first) return first;
  throw new SourceError(
    `${option} ${name}: the dump has no such model. It has ${listModels(ofTheProject(summary))}.`,
  );
}

/**
 * The model whose name fits, or undefined. Among several, one of the app `app` is preferred. Throws `SourceError` when
 * two fit equally well.
 */
export function findModel(
  summary: Summary,
  names: Names,
  purpose: Purpose,
  { app, accept = () => true }: { app?: string; accept?: (model: ModelSummary) => boolean } = {},
): ModelSummary | undefined {
  for (const pattern of names) {
    const found = ofTheProject(summary).filter(
      (model) => pattern.test(plain(modelName(model.label))) && accept(model),
    );
    const near = found.filter(({ label }) => appOf(label) === app);
    const [first, second] = near.length > 0 ? near : found;
    if (first && second) {
      throw new SourceError(
        `Both ${first.label} and ${second.label} may hold ${purpose.what}: name one with ${purpose.option}.`,
      );
    }
    if (first) return first;
  }
  return undefined;
}

export function notFound(summary: Summary, purpose: Purpose): SourceError {
  return new SourceError(
    `Which model of the dump holds ${purpose.what}? Name it with ${purpose.option}. The dump has ${listModels(ofTheProject(summary)) || "none of an application"}.`,
  );
}

export function ofTheProject(summary: Summary): ModelSummary[] {
  return [...summary.values()].filter(({ label }) => !DJANGO_MODEL.test(label));
}

export function appOf(label: string): string {
  return label.slice(0, label.indexOf("."));
}
