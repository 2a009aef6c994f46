/**
 * Templates of classic.json: JSON in which a string that is a variable, such as "$text", stands for its value. Values are
 * inserted as JSON and are never expanded again. "$$text" is the text "$text".
 */

/** A template is wrong. The message is one line and begins with the place in the template. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** Variables of a kind of template: each returns the JSON of its value. */
export type Variables<Subject> = Readonly<Record<string, (subject: Subject) => string>>;

/** Renders a frame. */
export type Template<Subject> = (subject: Subject) => string;

export const VARIABLE = /^\$[A-Za-z_]\w*$/;

type Value<Subject> = (subject: Subject) => string;
type Piece<Subject> = string | Value<Subject>;

/** Compiles a template, which is parsed JSON. `place` stands for it in errors. Throws `TemplateError`. */
export function compileTemplate<Subject>(
  json: unknown,
  variables: Variables<Subject>,
  place: string,
): Template<Subject> {
  const { texts, values } = split(piecesOf(json, variables, place));
  const [first = ""] = texts;
  return (subject) => {
    let frame = first;
    for (let index = 0; index < values.length; index++)
      frame += (values[index] as Value<Subject>)(subject) + (texts[index + 1] as string);
    return frame;
  };
}

function piecesOf<Subject>(json: unknown, variables: Variables<Subject>, place: string): Piece<Subject>[] {
  if (typeof json === "string") {
    const name = variableName(json, Object.keys(variables), place);
    return [name === undefined ? JSON.stringify(unescape(json)) : (variables[name] as Value<Subject>)];
  }
  if (Array.isArray(json)) {
    const items = json.map((item, index) => piecesOf(item, variables, `${place}.${index}`));
    return ["[", ...separated(items), "]"];
  }
  if (typeof json === "object" && json !== null) {
    const entries = Object.entries(json).map(([key, value]) => {
      const pieces = piecesOf(value, variables, `${place}.${key}`);
      return [`${JSON.stringify(key)}:`, pieces].flat();
    });
    return ["{", ...separated(entries), "}"];
  }
  return [JSON.stringify(json)];
}

function separated<T>(lists: (string | T)[][]): (string | T)[] {
  return lists.flatMap((list, index) => (index === 0 ? list : [",", ...list]));
}

/** The values of a template, and the texts around them: one more, since it begins and ends with a text. */
function split<Subject>(pieces: readonly Piece<Subject>[]): { texts: string[]; values: Value<Subject>[] } {
  const texts = [""];
  const values: Value<Subject>[] = [];
  for (const piece of pieces) {
    if (typeof piece === "string") {
      texts.push(`${texts.pop()}${piece}`);
    } else {
      values.push(piece);
      texts.push("");
    }
  }
  return { texts, values };
}

/** The name of a variable, or undefined for any other text. Throws `TemplateError` when the variable is not known. */
export function variableName(text: string, known: readonly string[], place: string): string | undefined {
  if (!VARIABLE.test(text)) return undefined;
  const name = text.slice(1);
  if (known.includes(name)) return name;
  const list = known.map((each) => `$${each}`).join(" ");
  throw new TemplateError(`${place}: unknown variable "${text}"; known here: ${list}`);
}

/** The text that a string of a template stands for, if it is not a variable. */
export function unescape(text: string): string {
  return text.startsWith("$$") ? text.slice(1) : text;
}
